# A container with the wheel. First: python3.12 -m pip wheel --no-deps --wheel-dir dist .
#   docker build --tag pixelclip .
#   docker run --gpus all --volume "$PWD:/work" pixelclip segment photos --names "dog, grass" --weights model.pth
# This file was checked with hadolint; it was not run.
FROM nvidia/cuda:13.0.2-base-ubuntu24.04

RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3=3.12.* python3-venv=3.12.* \
    && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /opt/pixelclip \
    && useradd --create-home --uid 10001 pixelclip
COPY dist/*.whl /tmp/
RUN /opt/pixelclip/bin/pip install --no-cache-dir /tmp/*.whl && rm /tmp/*.whl
ENV PATH=/opt/pixelclip/bin:$PATH
USER 10001
WORKDIR /work
ENTRYPOINT ["pixelclip"]
CMD ["--help"]
