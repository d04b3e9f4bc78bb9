"""Videos, their jobs and the room kept for uploads, as staff see them."""

from videos.admin import jobs, uploads, videos

__all__ = ["jobs", "uploads", "videos"]
