# A Jupyter server with mixedbayes, its notebooks and its kernels compiled, so that the first fit of a
# class waits for nothing; Binder builds from this file too. Code is compiled for any processor of the
# architecture, because the machine that builds an image is not the one that runs it.
#
#   docker build -t mixedbayes . && docker run --rm -p 8888:8888 mixedbayes
FROM python:3.13-slim

ARG NB_USER=jovyan
ARG NB_UID=1000
ENV HOME=/home/${NB_USER} \
    MPLBACKEND=module://matplotlib_inline.backend_inline \
    NUMBA_CACHE_DIR=/home/${NB_USER}/.cache/mixedbayes \
    NUMBA_CPU_NAME=generic \
    PIP_NO_CACHE_DIR=1

RUN adduser --disabled-password --gecos "" --uid ${NB_UID} ${NB_USER}
COPY --chown=${NB_UID} . ${HOME}/mixedbayes
RUN cd ${HOME}/mixedbayes && pip install ".[bokeh,duckdb,notebook,polars]" jupyterlab notebook -c constraints.txt

USER ${NB_USER}
RUN mixedbayes compile
WORKDIR ${HOME}/mixedbayes/notebooks
EXPOSE 8888
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--no-browser"]
