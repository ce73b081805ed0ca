"""Reads a cache with whichever of pyarrow, pandas, polars and DuckDB are installed.

    python read_cache.py CACHE [ROW]

Prints a line of JSON a library: its name, the rows of the cache, and one row of it.
"""

import json
import sys
from pathlib import Path


def shards(cache: Path) -> list[str]:
    """Paths of the Parquet shards, in the order of the manifest."""
    manifest = json.loads((cache / "manifest.json").read_text())
    return [str(cache / shard["parquet"]["name"]) for shard in manifest["shards"]]


def with_pyarrow(files: list[str], row: int) -> tuple[int, dict]:
    import pyarrow.dataset as dataset

    table = dataset.dataset(files, format="parquet").to_table()
    return table.num_rows, table.slice(row, 1).to_pylist()[0]


def with_arrow_shards(cache: Path, row: int) -> tuple[int, dict]:
    """The Arrow shards hold the same rows, and open without being copied into memory."""
    import pyarrow as pa

    manifest = json.loads((cache / "manifest.json").read_text())
    batches = []
    for shard in manifest["shards"]:
        batches += pa.ipc.open_file(pa.memory_map(str(cache / shard["arrow"]["name"]))).read_all().to_batches()
    table = pa.Table.from_batches(batches)
    return table.num_rows, table.slice(row, 1).to_pylist()[0]


def with_pandas(files: list[str], row: int) -> tuple[int, dict]:
    import pandas

    frame = pandas.concat([pandas.read_parquet(file) for file in files], ignore_index=True)
    return len(frame), frame.iloc[row].to_dict()


def with_polars(files: list[str], row: int) -> tuple[int, dict]:
    import polars

    frame = polars.scan_parquet(files).collect()
    return frame.height, frame.row(row, named=True)


def with_duckdb(files: list[str], row: int) -> tuple[int, dict]:
    import duckdb

    connection = duckdb.connect()
    count = connection.execute("SELECT count(*) FROM read_parquet(?)", [files]).fetchall()[0][0]
    rows = connection.execute("SELECT * FROM read_parquet(?) ORDER BY source_row LIMIT 1 OFFSET ?", [files, row])
    names = [column[0] for column in rows.description]
    return count, dict(zip(names, rows.fetchall()[0]))


def plain(value):
    """NumPy's arrays and numbers as JSON has them."""
    return value.tolist() if hasattr(value, "tolist") else value


def main() -> None:
    cache, row = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    files = shards(cache)
    readers = {
        "pyarrow": lambda: with_pyarrow(files, row),
        "pyarrow, Arrow shards": lambda: with_arrow_shards(cache, row),
        "pandas": lambda: with_pandas(files, row),
        "polars": lambda: with_polars(files, row),
        "duckdb": lambda: with_duckdb(files, row),
    }
    for name, read in readers.items():
        try:
            rows, found = read()
        except ModuleNotFoundError as error:
            print(f"{name}: {error}", file=sys.stderr)
            continue
        print(json.dumps({"reader": name, "rows": rows, "row": {key: plain(value) for key, value in found.items()}}))


if __name__ == "__main__":
    main()
