from tests.yard_fixtures import new_product, old_product, old_yard, shared, yard

__all__ = ["new_product", "old_product", "old_yard", "shared", "yard"]
