"""The jobs that people run, each a short function that joins the stages: `export` is the nightly one."""
