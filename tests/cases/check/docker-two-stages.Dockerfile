# each stage is an environment of its own
FROM python:3.11 AS old
RUN pip install torch==2.4.1 torchvision==0.19.1
FROM python:3.11 AS new
RUN pip install torch==2.5.1 torchvision==0.20.1
