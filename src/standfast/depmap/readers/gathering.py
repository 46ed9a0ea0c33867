"""What a reader has to tell, as it comes: each thing once, in the order in which it was first said."""

from standfast.depmap.graph import Need
from standfast.depmap.statements import Needs, Reading, Remark, Statement, Told, Witness


class Gathered:
    """Collects for one reader what becomes its reading."""

    def __init__(self, reader: str) -> None:
        self._reader = reader
        self._told: dict[Told, None] = {}
        self._remarks: dict[Remark, None] = {}

    def say(self, statement: Statement, file: str, line: int = 0) -> None:
        """Tell `statement`, which stands in `file`."""
        self._told[Told(statement, Witness(reader=self._reader, where=file, line=line))] = None

    def needs(self, node: str, need: Need, file: str, line: int = 0) -> None:
        """Tell that `node` has `need`, unless `node` is one of those that will do, or one of them has no name."""
        if need.parts and not {node, ""}.intersection(need.parts):
            self.say(Needs(node, need), file, line)

    def remark(self, text: str, file: str, line: int = 0) -> None:
        """Tell what was left out, or looks wrong."""
        self._remarks[Remark(text=text, by=Witness(reader=self._reader, where=file, line=line))] = None

    def reading(self) -> Reading:
        """Return all of it. What is needed anyway is not also told to be needed softly."""
        hard = {
            (told.statement.node, told.statement.need.parts)
            for told in self._told
            if isinstance(told.statement, Needs) and not told.statement.need.soft
        }
        return Reading(
            told=tuple(told for told in self._told if not _is_soft_beside(told, hard)), remarks=tuple(self._remarks)
        )


def _is_soft_beside(told: Told, hard: set[tuple[str, tuple[str, ...]]]) -> bool:
    match told.statement:
        case Needs(node, Need(parts=parts, soft=True)):
            return (node, parts) in hard
        case _:
            return False
