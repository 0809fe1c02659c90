"""Text files of numbers, as people write them: each is read as what it says, or refused with line and remedy."""

import numpy as np
import pytest

from jaxtile import targets
from jaxtile._text_table import read_text_table

MATRIX = np.array([[0.5, -1.25], [1e-3, 2.0]])
POINT = [["0.5", "-1.25"], ["1e-3", "2.0"]]
COMMA = [["0,5", "-1,25"], ["1e-3", "2,0"]]


def joined(rows, separator):
    return "\n".join(separator.join(row) for row in rows) + "\n"


WRITTEN = {
    "commas": joined(POINT, ","),
    "commas and spaces": joined(POINT, " , "),
    "semicolons": joined(POINT, ";"),
    "tabs": joined(POINT, "\t"),
    "spaces": joined(POINT, "   "),
    "a spreadsheet in German": joined(COMMA, ";"),
    "an instrument in German": joined(COMMA, "\t"),
    "quotation marks": '"0,5","-1,25"\n"1e-3","2,0"\n',
    "separators at the ends": joined(POINT, ";").replace("\n", ";\n"),
    "the separator declared": "sep=;\n" + joined(POINT, ";"),
    "a typographic minus": joined(POINT, ",").replace("-1", "\N{MINUS SIGN}1"),
    "comments": "# T = 300 K; dwell 1,5 s\n0.5,-1.25 # good\n\n# bad\n1E-3,2\n",
    "lines of an old Mac": joined(POINT, ",").replace("\n", "\r"),
    "lines of Windows": joined(POINT, ";").replace("\n", "\r\n"),
    "indented": joined(POINT, " ").replace("0.5", "  0.5"),
}


@pytest.mark.parametrize("way", WRITTEN)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_one_matrix_in_many_ways(tmp_path, way, encoding):
    path = tmp_path / "m.csv"
    path.write_bytes(WRITTEN[way].encode(encoding))
    np.testing.assert_array_equal(targets.load(path), MATRIX)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Zeit (µs);Größe\n0,5;-1,25\n1e-3;2,0\n", ("Zeit (µs)", "Größe")),
        ("# Zeit (µs), Größe\n0.5, -1.25\n1e-3, 2\n", ("Zeit (µs)", "Größe")),
        ("0.5 -1.25\n1e-3 2\n", None),
        ("# of 3 devices\n0.5 -1.25\n1e-3 2\n", None),
    ],
)
def test_names_of_columns(tmp_path, text, names):
    (tmp_path / "m.csv").write_text(text, encoding="latin-1")
    table = read_text_table(tmp_path / "m.csv", header=True)
    assert table.names == names
    np.testing.assert_array_equal(table.values, MATRIX)


def test_empty_entries_are_missing_where_they_may_be(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("a,b\n1,\n,NA\n-,4\n")
    table = read_text_table(path, header=True, empty=True)
    np.testing.assert_array_equal(table.values, [[1, np.nan], [np.nan, np.nan], [np.nan, 4]])
    assert table.lines == (2, 3, 4)
    with pytest.raises(ValueError, match="the entry '' in line 2, column 2, is no number"):
        read_text_table(path, header=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2\n3,x\n", "could not convert string 'x' to a number in line 2, column 2; delete a header"),
        (",0,1\n0,1.5,2.5\n", "the entry '' in line 1, column 1, is no number; delete a header and an index"),
        ("0,5 1,2\n", "could not convert string '5 1' to a number in line 1, column 2; .* 0,5"),
        (
            "1,234;2,345\n3,456;4,567\n",
            "could not convert string '1,234' to a number in line 1, column 1",
        ),  # thousands, or decimals?
        ("0,5;1.5\n", "could not convert string '0,5' to a number in line 1, column 1"),
        ("1_000,2\n", "could not convert string '1_000' to a number in line 1, column 1"),
        ("1,2\n3\n", "line 2: '3' is not 2 numbers, since the number of columns changed from 2 to 1"),
        ("a,b\n0,5,1,2\n", "could not convert string 'a'"),
        ("0,5\n0.7\n", "line 2: '0.7' is not 2 numbers"),
    ],
)
def test_what_cannot_be_told_is_refused(tmp_path, text, message):
    path = tmp_path / "m.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"target .*m.csv cannot be read as .csv: {message}"):
        targets.load(path)


def test_a_name_that_stands_twice_is_refused(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("state,up,down,Up\n0,1,1,2\n")
    with pytest.raises(ValueError, match="line 1: 'up' names columns 2, 4; give each"):
        read_text_table(path, header=True)
    path.write_text("up,down\n0,5,1,2\n")
    with pytest.raises(ValueError, match="line 2: '0,5,1,2' is not 2 numbers"):  # commas in both their roles
        read_text_table(path, header=True)


def test_no_text(tmp_path):
    path = tmp_path / "m.csv"
    path.write_bytes("\ufeff1,2".encode("utf-16-le") + b"\0")
    with pytest.raises(ValueError, match="no text in utf-16 .*; save it as text in UTF-8"):
        read_text_table(path, header=True)
    for content, said in (
        (b"0.1,0.2\n\0\0", "it holds zero bytes, which no text does; save it as text in UTF-8"),
        (b"\0" * 100, "it holds zero bytes"),
        (b"1" * 200_000 + b",2\n", "it is no table of numbers .*; separate numbers by commas"),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=said):
            read_text_table(path, header=True)
