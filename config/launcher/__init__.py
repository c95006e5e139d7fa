"""What ./terrace does once the virtual environment is there."""
