#!/bin/bash
# Does the broker take connections? --bootstrap-server HOST:PORT
exec 3<> "/dev/tcp/${2/://}"
