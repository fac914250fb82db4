"""What a product is asked to do: how it waits, what is admitted, chosen and watched, and what it may cost."""
