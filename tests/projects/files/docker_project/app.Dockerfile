FROM pytorch/pytorch:2.5.1-cuda12.4-cudnn9-runtime AS gpu
RUN pip install flash-attn
FROM python:3.11-slim AS cpu
RUN pip install torch --index-url https://download.pytorch.org/whl/cpu
FROM gpu
RUN pip install numpy
