import os
if os.environ["TESTCACHE"] == "none":
    os.environ.pop("JAX_COMPILATION_CACHE_DIR", None)
else:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = os.environ["TESTCACHE"]
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = os.environ.get("TESTMIN", "0")
import atexit, resource
def say():
    u=resource.getrusage(resource.RUSAGE_SELF); c=resource.getrusage(resource.RUSAGE_CHILDREN)
    print("CPU", u.ru_utime+u.ru_stime, c.ru_utime+c.ru_stime)
atexit.register(say)
