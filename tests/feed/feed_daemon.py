"""The daemon with nothing to do but the feed."""

import parts


def config(folder, redis_url, feed, tasks="", lease="", home=None):
    """Writes the configuration into the folder, with the daemon's state beside it. `feed`: lines of [feed].

    `home`: what the daemon calls that folder, if it is in a container.
    """
    path = folder / "feed.toml"
    path.write_text(
        f'[node]\nid = "feed-test"\nstate_dir = "{home or folder}/state"\n[scheduler]\ncatalogue = ""\n'
        f'[redis]\nurl = "{redis_url}"\n[lease]\nkey = "feed-test:leader"\nnodes = 1\n{lease}'
        f'[feed]\nunits = ["stargazer"]\n{feed}\n'
        '[tasks.journal_stream]\ninterval = "1s"\nrequires = ["redis"]\ntimeout = "0s"\nnative = "journal_feed"\n'
        f"{tasks}"
    )
    return path


def start(build, config_path, log, kind=parts.Program):
    """`kind`: a class of programs."""
    argv = [build / "stargazer-scheduler", "--config", config_path, "--log", "terminal"]
    return kind(argv, log, environment={"SG_LEADER_KEY": "feed-test:leader"})
