"""A list of suspect labels identifies faces by where they come from and by their pixels."""

import numpy as np
import pytest

from pipeline.data.suspect_list import COLUMNS, compute_digest, find_listed_rows, write_suspects


@pytest.fixture
def table(small_table):
    return small_table | {"origin": np.array([f"train/happy/{row}é.png" for row in range(300)])}


def describe(table, row: int) -> dict[str, str]:
    facts = {"origin": table["origin"][row], "digest": compute_digest(table["pixels"][row])}
    return dict.fromkeys(COLUMNS, "") | facts


def test_the_listed_rows_are_found_in_any_order_of_the_data_set(table, tmp_path, rng):
    path = tmp_path / "results" / "suspects.csv"
    write_suspects(path, [describe(table, row) for row in (7, 3, 290)])
    assert np.flatnonzero(find_listed_rows(path, table)).tolist() == [3, 7, 290]
    order = rng.permutation(300)
    shuffled = {name: column[order] for name, column in table.items()}
    assert set(order[find_listed_rows(path, shuffled)]) == {3, 7, 290}


def test_only_two_columns_are_needed_and_an_empty_list_has_no_rows(table, tmp_path):
    path = tmp_path / "mine.csv"
    facts = describe(table, 5)
    path.write_text(
        f"digest,comment,origin\n{facts['digest']},a doubt,{facts['origin']}\n", encoding="utf-8-sig"
    )
    assert np.flatnonzero(find_listed_rows(path, table)).tolist() == [5]
    write_suspects(path, [])
    assert not find_listed_rows(path, table).any()


@pytest.mark.parametrize(
    "change", [{"origin": "301"}, {"digest": "0" * 16}, {"origin": "train/happy/4é.png"}]
)
def test_a_list_of_another_data_set_is_refused_naming_the_line(table, tmp_path, change):
    write_suspects(tmp_path / "s.csv", [describe(table, 1), describe(table, 2) | change])
    with pytest.raises(ValueError, match=r"s\.csv, line 3.*another data set"):
        find_listed_rows(tmp_path / "s.csv", table)


@pytest.mark.parametrize(
    "content", [b"emotion,pixels,Usage\n3,1 2 3,Training\n", b"\x00\xff\n\x00", b"origin\n1\n"]
)
def test_another_file_is_refused(table, tmp_path, content):
    (tmp_path / "s.csv").write_bytes(content)
    with pytest.raises(ValueError, match="origin and digest"):
        find_listed_rows(tmp_path / "s.csv", table)


def test_a_data_set_without_origins_is_to_be_loaded_again(small_table, table, tmp_path):
    write_suspects(tmp_path / "s.csv", [describe(table, 1)])
    with pytest.raises(ValueError, match=r"Load_dataSets\.py"):
        find_listed_rows(tmp_path / "s.csv", small_table)


def test_a_missing_file_is_named(table, tmp_path):
    with pytest.raises(FileNotFoundError, match="suspects"):
        find_listed_rows(tmp_path / "suspects.csv", table)
