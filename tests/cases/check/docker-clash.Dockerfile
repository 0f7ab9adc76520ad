# and that do not
# expect: CL201 error 6:17 torch xformers
FROM nvidia/cuda:12.4.1-cudnn-devel-ubuntu22.04
RUN apt-get update && apt-get install -y python3-pip
RUN pip install torch==2.5.1 && \
    pip install xformers==0.0.27
