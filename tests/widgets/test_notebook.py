"""The kernel of a notebook that shows widgets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

from edsnb.widgets.notebook import KeepingComm

ANSWER_S = 60


@pytest.fixture
def kernel() -> Iterator[BlockingKernelClient]:
    manager, client = start_new_kernel()
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def subshell(client: BlockingKernelClient) -> object:
    """Ask for a thread of one's own, as JupyterLab does for each widget; return its name."""
    client.control_channel.send(client.session.msg("create_subshell_request"))
    reply = client.control_channel.get_msg(timeout=ANSWER_S)
    assert reply["content"]["status"] == "ok"
    return reply["content"]["subshell_id"]


def test_widgets_are_answered_on_the_main_thread(kernel):
    assert subshell(kernel) is not None, "otherwise this kernel has no such threads, and nothing is tested"
    sent: list[dict] = []
    reply = kernel.execute_interactive(
        "from edsnb.widgets.setup import setup; setup()", timeout=ANSWER_S, output_hook=sent.append
    )
    assert reply["content"]["status"] == "ok"
    assert subshell(kernel) is None
    scripts = [m["content"]["data"].get("application/javascript", "") for m in sent if m["msg_type"] == "display_data"]
    assert any("edsnb_mended" in text for text in scripts)


def test_what_is_sent_before_the_page_is_ready_comes_first(monkeypatch):
    opened: list[list[object]] = []

    class Connection:
        def __init__(self, **_: object) -> None:
            opened.append([])
            self.send = lambda data, metadata=None, buffers=None: opened[-1].append(data)
            self.on_msg = lambda _: None

    monkeypatch.setattr("ipykernel.comm.Comm", Connection)
    comm = KeepingComm("test")
    comm.send("first")
    comm.send("second")
    assert opened == []
    comm.init()
    comm.send("third")
    assert opened == [["first", "second", "third"]]
    comm.init()
    comm.send("after the page was loaded again")
    assert opened[1:] == [["after the page was loaded again"]]
