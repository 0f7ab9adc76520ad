# a label in a Dockerfile without its index
# expect: CL301 error 4:43 torch
FROM python:3.11-slim
RUN python -m pip install --no-cache-dir "torch==2.5.1+cu124"
