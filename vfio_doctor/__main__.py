"""Run the command line as ``python -m vfio_doctor``."""

from vfio_doctor.cli import main

if __name__ == "__main__":
    main()
