import contextlib
import io
import unittest
from datetime import timedelta
from pathlib import Path

from hours import report, sheet
from hours.__main__ import main

MARCH = Path(__file__).parent.parent / "examples" / "march.txt"


class Sums(unittest.TestCase):
    def setUp(self):
        self.stretches = sheet.read(MARCH.read_text(encoding="utf-8"))

    def test_by_client(self):
        sums = report.sums(self.stretches)
        self.assertEqual(sums, {"acme": timedelta(hours=9, minutes=40), "northwind": timedelta(hours=4, minutes=15)})

    def test_by_day_of_one_client(self):
        self.assertEqual(list(report.sums(self.stretches, "day", "northwind")), ["2026-03-02", "2026-03-04"])


class Printing(unittest.TestCase):
    def test_hours_go_beyond_a_day(self):
        self.assertEqual(report.clock(timedelta(hours=26, minutes=5)), "26:05")

    def test_nothing_is_a_total_of_nothing(self):
        self.assertEqual(report.table({}), "total 0:00")

    def test_the_command_prints_a_table(self):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            self.assertEqual(main([str(MARCH)]), 0)
        self.assertEqual(out.getvalue(), "acme       9:40\nnorthwind  4:15\ntotal     13:55\n")

    def test_a_missing_file_is_said(self):
        err = io.StringIO()
        with contextlib.redirect_stderr(err):
            self.assertEqual(main(["nowhere.txt"]), 2)
        self.assertIn("nowhere.txt", err.getvalue())


if __name__ == "__main__":
    unittest.main()
