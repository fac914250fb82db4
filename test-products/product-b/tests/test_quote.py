"""What quotes do today, to the cent. A refactoring changes none of this."""

import contextlib
import io
import unittest
from pathlib import Path

from quotes import quote

ORDERS = Path(__file__).parent.parent / "orders"


def order(zone="home", grams=400, cents=1000, **more):
    return {"zone": zone, "items": [{"name": "thing", "grams": grams, "cents": cents}], **more}


class Quotes(unittest.TestCase):
    def setUp(self):
        quote.LAST = {}

    def ask(self, **more):
        return quote.do_quote(order(**more), p=False)


class Tariffs(Quotes):
    def test_steps_of_every_zone(self):
        expected = {
            "home": [(500, 290, 1), (501, 490, 1), (2000, 490, 1), (2001, 790, 2), (10000, 790, 2), (10001, 835, 3), (12000, 880, 3)],
            "near": [(500, 590, 3), (501, 990, 3), (2001, 1490, 4), (10001, 1585, 5), (13500, 1870, 5)],
            "far": [(500, 990, 8), (501, 1990, 8), (2001, 3990, 10), (10001, 4300, 14), (11001, 4610, 14)],
        }
        for zone, steps in expected.items():
            for grams, shipping, days in steps:
                with self.subTest(zone=zone, grams=grams):
                    found = self.ask(zone=zone, grams=grams)
                    self.assertEqual((found["shipping"], found["days"]), (shipping, days))

    def test_express(self):
        for zone, shipping, days in [("home", 890, 1), ("near", 1790, 2), ("far", 3490, 4)]:
            with self.subTest(zone=zone):
                found = self.ask(zone=zone, express=True)
                self.assertEqual((found["shipping"], found["days"]), (shipping, days))

    def test_free_shipping_never_with_express_and_never_far(self):
        self.assertEqual(self.ask(cents=5000)["shipping"], 0)
        self.assertEqual(self.ask(cents=4999)["shipping"], 290)
        self.assertEqual(self.ask(cents=5000, express=True)["shipping"], 890)
        self.assertEqual(self.ask(zone="near", cents=10000)["shipping"], 0)
        self.assertEqual(self.ask(zone="far", cents=90000)["shipping"], 990)

    def test_gift_wrap_costs_even_when_shipping_is_free(self):
        self.assertEqual(self.ask(cents=5000, gift=True)["shipping"], 350)

    def test_an_unknown_zone_is_refused(self):
        with self.assertRaisesRegex(ValueError, "unknown zone moon"):
            self.ask(zone="moon")


class Discounts(Quotes):
    def test_codes(self):
        for code, cents, discount in [("HELLO10", 1999, 199), ("SPRING", 3000, 500), ("SPRING", 2999, 0), ("FRIEND", 1000, 150), ("FRIEND", 20000, 2000), ("NOPE", 1000, 0), ("", 1000, 0)]:
            with self.subTest(code=code, cents=cents):
                self.assertEqual(self.ask(cents=cents, code=code)["discount"], discount)

    def test_free_shipping_looks_at_goods_before_discount(self):
        self.assertEqual(self.ask(cents=5000, code="SPRING")["total"], 4500)

    def test_a_second_order_in_a_row_ships_for_less(self):
        self.ask(customer="ana")
        second = self.ask(customer="ana")
        self.assertEqual(second["shipping"], 276)
        self.assertEqual(second["notes"], ["5 % off shipping, second order in a row"])

    def test_somebody_in_between_breaks_the_row(self):
        self.ask(customer="ana")
        self.ask(customer="ben")
        self.assertEqual(self.ask(customer="ana")["shipping"], 290)


class Orders(Quotes):
    def test_nothing_to_ship(self):
        self.assertEqual(quote.do_quote({"zone": "home", "items": []}, p=False)["total"], 0)

    def test_quantity_counts_for_weight_and_price(self):
        items = [{"name": "cup", "grams": 210, "cents": 890, "quantity": 4}]
        found = quote.do_quote({"zone": "home", "items": items}, p=False)
        self.assertEqual((found["goods"], found["shipping"]), (3560, 490))

    def test_the_printed_offer(self):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            quote.do_quote(str(ORDERS / "1001.json"))
        self.assertEqual(
            out.getvalue(),
            "Offer 1001\n"
            "------------------------------\n"
            "1 x teapot, blue         34.90\n"
            "4 x cup                  35.60\n"
            "goods                    70.50\n"
            "discount                 -5.00\n"
            "shipping                 18.40\n"
            "total                    83.90\n"
            "arrives in 4 days\n"
            "* 5.00 spring\n"
            "* gift wrap 3.50\n",
        )


if __name__ == "__main__":
    unittest.main()
