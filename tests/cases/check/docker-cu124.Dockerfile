# pip lines of a Dockerfile that go together
FROM nvidia/cuda:12.4.1-cudnn-devel-ubuntu22.04
RUN pip install torch==2.5.1 torchvision==0.20.1 --index-url https://download.pytorch.org/whl/cu124
