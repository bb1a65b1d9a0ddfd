"""Forward passes: which library runs a graph, with how many calls side by side, found once and remembered.

Graphs are opened here and nowhere else. A float32 graph gives the same numbers to the last bit whatever the
batch, streams and threads of its plan, and so does one in bfloat16; two libraries differ by rounding (4e-6 of
the largest feature).
"""

from mindle.engines.forward import Forward as Forward
from mindle.engines.forward import load_engines as load_engines
from mindle.engines.forward import open_graph as open_graph
from mindle.engines.opened import Arrays as Arrays
from mindle.engines.opened import Node as Node
from mindle.engines.plan import FEATURES as FEATURES
from mindle.engines.plan import Plan as Plan
from mindle.engines.plan import parse_plan as parse_plan
from mindle.engines.plan import pinned_plan as pinned_plan
from mindle.engines.plan import whole as whole
from mindle.engines.trial import lacks as lacks
from mindle.engines.trial import observe as observe
from mindle.engines.trial import plan_for as plan_for
from mindle.engines.trial import why_not as why_not
