"""What can befall a lease: each kind builds a stage and strikes it, once a round.

A strike does the harm, waits for what must follow from it, heals, and returns when workers run again. The variants of a
kind take turns from round to round, the harsher one first.
"""

import dataclasses
import random
import signal
import time
import typing

import network
import nodes
import parts
import stores

TTL_S = 3
NAMES = ("n1", "n2", "n3")
# Longer than the lease, so that it has passed on, or could have.
LONG_S = TTL_S + 1
SHORT_S = 1
# For how long the others are watched after a former leader has come back to itself.
WATCH_NS = parts.NS_PER_S


def three_nodes(stage, lease=""):
    for name in NAMES:
        prefix = stage.network.hosts[name].prefix() if stage.network else []
        stage.add(
            nodes.DaemonNode(
                name,
                stage.folder,
                stage.store.redis_config(),
                stage.lines.path,
                prefix=prefix,
                lease=f'ttl = "{TTL_S}s"\n{lease}',
            )
        )


def on_one_redis(stage):
    stage.store = stores.Single(stage.folder)
    three_nodes(stage)


def on_durable_redis(stage):
    stage.store = stores.Single(stage.folder, durable=True)
    three_nodes(stage)


def on_a_network(stage):
    stage.network = network.Network(stage.folder, NAMES)
    stage.store = stores.Single(stage.folder, address=network.HUB_ADDRESS, prefix=stage.network.hub.prefix())
    three_nodes(stage)


def under_one_sentinel(stage):
    stage.store = stores.Watched(stage.folder, sentinels=1)
    three_nodes(stage)


def under_three_sentinels(stage):
    stage.store = stores.Watched(stage.folder, sentinels=3)
    three_nodes(stage, "replicas = 1\n")


def successor(stage, leader):
    stage.wait_for_worker(
        f"a successor of {leader.node}",
        after_ns=parts.now_ns(),
        others_than=leader.node,
        epoch_from=leader.epoch + 1,
    )


def again(stage, leader, after_ns=None):
    stage.wait_for_worker("workers again", after_ns=after_ns or parts.now_ns(), epoch_from=leader.epoch)


def kill_leader(stage, leader, number):
    """The node comes back when another one leads, or at once, when its name still stands in the key."""
    node = stage.nodes[leader.node]
    node.kill()
    if number % 2 == 0:
        successor(stage, leader)
        node.start()
    else:
        node.start()
        stage.wait_for_worker("a new term", after_ns=parts.now_ns(), epoch_from=leader.epoch + 1)


def term_leader(stage, leader, _):
    node = stage.nodes[leader.node]
    nodes.terminate_orderly(node)
    successor(stage, leader)
    node.start()


def stop_leader(stage, leader, _):
    program = stage.nodes[leader.node].program
    program.pause()
    successor(stage, leader)
    program.resume()
    again(stage, leader, after_ns=parts.now_ns() + WATCH_NS)


def freeze_leader(stage, leader, _):
    """The daemon, its keepers, their workers and the grandchildren: none can act. Who still lives is woken up again."""
    program = stage.nodes[leader.node].program
    program.pause()
    frozen = parts.descendants(program.pid)
    parts.send(frozen, signal.SIGSTOP)
    successor(stage, leader)
    parts.send(frozen, signal.SIGCONT)
    program.resume()
    again(stage, leader, after_ns=parts.now_ns() + WATCH_NS)


def cut_leader(stage, leader, _):
    stage.network.cut(leader.node)
    successor(stage, leader)
    stage.network.mend(leader.node)
    again(stage, leader, after_ns=parts.now_ns() + WATCH_NS)


def restart_redis(stage, leader, number):
    stage.store.server.kill()
    if number % 2 == 0:
        time.sleep(LONG_S)
    stage.store.server.start()
    again(stage, leader)


def flush_redis(stage, leader, _):
    stage.store.client().flushall()
    again(stage, leader, after_ns=parts.now_ns() + LONG_S * parts.NS_PER_S)


def pause_clients(stage, leader, number):
    length_s = LONG_S if number % 2 == 0 else SHORT_S
    mode = "ALL" if number // 2 % 2 == 0 else "WRITE"
    stage.store.client().execute_command("CLIENT", "PAUSE", length_s * 1000, mode)
    time.sleep(length_s)
    again(stage, leader)


def stop_redis(stage, leader, number):
    program = stage.store.server.program
    program.pause()
    time.sleep(LONG_S if number % 2 == 0 else SHORT_S)
    program.resume()
    again(stage, leader)


def fail_over(stage, leader, number):
    """The primary dies and comes back as a replica, or falls asleep and wakes up believing that it is the primary."""
    store = stage.store
    old = store.primary()
    if number % 2 == 0:
        old.kill()
    else:
        old.program.pause()
    parts.wait_until(lambda: store.primary() is not old, "the Sentinels do not promote a replica")
    again(stage, leader)
    if number % 2 == 0:
        store.rejoin(old)
    else:
        old.program.resume()
    parts.wait_until(store.ready, lambda: f"the old primary does not come back as a replica: {store.seen()}")
    again(stage, leader)


def mixed(stage, leader, number):
    """Any of those that one stage can bear, each after any other."""
    strikes = [kill_leader, term_leader, stop_leader, freeze_leader, cut_leader]
    strikes += [restart_redis, flush_redis, pause_clients, stop_redis]
    chance = random.Random(number)
    chance.choice(strikes)(stage, leader, chance.randrange(4))


@dataclasses.dataclass(frozen=True)
class Kind:
    build: typing.Callable
    strike: typing.Callable
    what: str


KINDS = {
    "kill_leader": Kind(on_one_redis, kill_leader, "SIGKILL of the leader"),
    "term_leader": Kind(on_one_redis, term_leader, "SIGTERM of the leader"),
    "stop_leader": Kind(on_one_redis, stop_leader, "SIGSTOP of the leader until another one leads, then SIGCONT"),
    "freeze_leader": Kind(on_one_redis, freeze_leader, "the same to the leader and all its descendants"),
    "cut_leader": Kind(on_a_network, cut_leader, "the leader's link goes down until another one leads, then up"),
    "redis_restart_empty": Kind(on_one_redis, restart_redis, "Redis killed, started again without its data"),
    "redis_restart_with_data": Kind(on_durable_redis, restart_redis, "Redis killed, started again with its data"),
    "redis_flushed": Kind(on_one_redis, flush_redis, "FLUSHALL"),
    "client_pause": Kind(on_one_redis, pause_clients, "CLIENT PAUSE ALL or WRITE, shorter and longer than the ttl"),
    "redis_stopped": Kind(on_one_redis, stop_redis, "SIGSTOP of Redis, shorter and longer than the ttl"),
    "sentinel_failover": Kind(under_one_sentinel, fail_over, "primary killed or stopped; 1 Sentinel, replicas = 0"),
    "sentinel_failover_wait": Kind(under_three_sentinels, fail_over, "the same; 3 Sentinels, replicas = 1"),
    "mixed": Kind(on_a_network, mixed, "those without a Sentinel, in any order, on one stage"),
}
