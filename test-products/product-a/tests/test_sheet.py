import unittest
from datetime import date, time, timedelta

from hours import sheet


class Reading(unittest.TestCase):
    def test_a_line_becomes_a_stretch(self):
        [stretch] = sheet.read("2026-03-02 09:15-12:40 acme design review\n")
        self.assertEqual(stretch, sheet.Stretch(date(2026, 3, 2), time(9, 15), time(12, 40), "acme", "design review"))

    def test_comments_and_empty_lines_are_skipped(self):
        self.assertEqual(sheet.read("# March\n\n   \n  # more\n"), [])

    def test_a_line_without_a_note_is_fine(self):
        self.assertEqual(sheet.read("2026-03-02 09:00-10:00 acme")[0].note, "")

    def test_a_line_that_cannot_be_read_is_named(self):
        with self.assertRaisesRegex(sheet.BadLine, "line 2: expected"):
            sheet.read("2026-03-02 09:00-10:00 acme\nyesterday, all day\n")

    def test_a_time_that_does_not_exist_is_named(self):
        with self.assertRaisesRegex(sheet.BadLine, "line 1: .*hour"):
            sheet.read("2026-03-02 09:00-25:00 acme")


class Length(unittest.TestCase):
    def test_within_a_day(self):
        self.assertEqual(sheet.read("2026-03-02 09:15-12:40 acme")[0].length, timedelta(hours=3, minutes=25))

    def test_past_midnight(self):
        self.assertEqual(sheet.read("2026-03-03 22:30-01:00 acme release night")[0].length, timedelta(hours=2, minutes=30))


if __name__ == "__main__":
    unittest.main()
