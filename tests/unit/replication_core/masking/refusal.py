"""All that a refusal tells, wherever one looks for it."""

import traceback

__all__ = ["told_by"]


def told_by(error: BaseException) -> str:
    """Return an error's texts, and those of every error that it came of, as any log or report might show them."""
    told = "".join(traceback.format_exception(error))
    seen: list[BaseException] = []
    ahead = [error]
    while ahead:
        one = ahead.pop()
        seen.append(one)
        told += f"{one!r} {one} {one.args!r} {vars(one)!r} {getattr(one, 'object', '')!r}"
        ahead += [each for each in (one.__cause__, one.__context__) if each and each not in seen]
    return told
