"""The dock, its panel, the map tool and the previews. Talks to `core`, never to the process."""
