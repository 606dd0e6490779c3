"""ROOT files in and out, as polars frames."""
