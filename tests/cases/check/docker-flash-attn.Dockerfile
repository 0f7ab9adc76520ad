# flash-attn built in the image, torch first and without isolation
# expect: CL104 warning 5:17 flash-attn [fa2-pypi-sdist]
FROM nvidia/cuda:12.4.1-devel-ubuntu22.04
RUN pip install torch==2.5.1
RUN pip install flash-attn==2.7.4.post1 --no-build-isolation
