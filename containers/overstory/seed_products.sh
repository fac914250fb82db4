#!/bin/sh
# Fills an empty /projects with the test products, each a git repository; they bring what the engine needs in their .overstory.
set -eu

cd /projects
unfinished=.seeding

# The supervisor starts after this, so while the mark is there nobody has worked in what a start that was cut short left behind.
[ -e "$unfinished" ] || [ -z "$(ls -A)" ] || exit 0
mkdir -p "$unfinished"

for source in /opt/test-products/*/; do
  name=$(basename "$source")
  rm -rf "$name"
  cp -R "$source" "$name"
  git -C "$name" init --quiet
  git -C "$name" add --all
  git -C "$name" commit --quiet --message "$name: a test product"
  # Made by `ov init`, looked for by the engine, and not kept by git because they are empty.
  (cd "$name/.overstory" && mkdir -p agents worktrees specs logs)
done

rmdir "$unfinished"
echo "filled the empty /projects with the test products: $(ls | tr '\n' ' ')"
