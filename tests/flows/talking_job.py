"""A job that says something and then takes a minute."""

import time

print("hello", flush=True)
time.sleep(60)
