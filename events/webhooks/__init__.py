"""Events told to others: signed, tried again, one dead endpoint delaying no other."""
