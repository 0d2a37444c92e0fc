"""Workflows that have to do with other runs. Each is given the workflow id of the other."""

from sandglass import ChildWorkflow, child_workflow, log, workflow


@workflow
async def a13(id: str) -> str | None:
    """Waits for how a canceled child ends."""
    child = child_workflow("a01", workflow_id=id, result=str | None)
    assert isinstance(child, ChildWorkflow)
    await child.started
    log.info("started: true")
    return await child
