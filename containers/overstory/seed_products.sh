#!/bin/sh
# Fill an empty /projects with the test products, each as a git repository with a prepared .overstory.
set -eu

cd /projects
unfinished=.seeding

# The supervisor starts after this, so while the marker exists no agent has used the leftovers of an interrupted start.
[ -e "$unfinished" ] || [ -z "$(ls -A)" ] || exit 0
mkdir -p "$unfinished"

for source in /opt/test-products/*/; do
  name=$(basename "$source")
  rm -rf "$name"
  cp -R "$source" "$name"
  git -C "$name" init --quiet
  git -C "$name" add --all
  git -C "$name" commit --quiet --message "$name: a test product"
  # The engine needs these folders of `ov init`, and git does not store them because they are empty.
  (cd "$name/.overstory" && mkdir -p agents worktrees specs logs)
done

rmdir "$unfinished"
echo "filled the empty /projects with the test products: $(ls | tr '\n' ' ')"
