"""A CUDA device that only knows shapes: code for GPUs runs on a machine without one, and a mix of devices raises.

    with fake_cuda((7, 5)) as log:          # of a T4; (8, 0): of an A100
        net = Unet().to("cuda:0")           # all tensors are fake: shape, number type and device, no values
    log.waits                               # where the CPU would have waited for the GPU

Tensors are PyTorch's own fake tensors. What they can't do is answered here: a number that is read is 0, 1.0 or True, a
mask that chooses places chooses all, and gradients are found by walking the graph, as the engine wants a real device.
What a real GPU would refuse (a NumPy array of its memory, a random generator of another device) raises here too.
"""
import copy
import traceback
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from torch._subclasses import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

aten = torch.ops.aten
ANSWERS = {torch.bool: True}
SIZED_BY_VALUES = (
    aten.nonzero.default, aten._unique2.default, aten.unique_dim.default, aten.masked_select.default,
    aten.bincount.default)


def caller() -> str:
    "The innermost line of the call stack that is neither PyTorch's nor of this file."
    for frame in reversed(traceback.extract_stack()):
        path = Path(frame.filename)
        if frame.filename != __file__ and "torch" not in path.parts and "torchvision" not in path.parts:
            return f"{path.parent.name}/{path.name}:{frame.lineno} in {frame.name}: {frame.line}"
    return "?"


def on_gpu(x) -> bool:
    return isinstance(x, torch.Tensor) and x.device.type == "cuda"


class Log(TorchDispatchMode):
    "Keeps where the CPU waits for the GPU, and answers what fake tensors can't."

    def __init__(self):
        super().__init__()
        self.waits: list[str] = []

    def wait(self, what: str) -> None:
        self.waits.append(f"{what} at {caller()}")

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        first = args[0] if args else None
        if function is aten._local_scalar_dense.default:
            if on_gpu(first):
                self.wait("a number is read")
            return ANSWERS.get(first.dtype, 1.0 if first.dtype.is_floating_point else 0)
        if function is aten.equal.default:
            if on_gpu(first):
                self.wait("tensors are compared")
            return True
        if function in SIZED_BY_VALUES:
            return self.sized_by_values(function, first, args, kwargs)
        if function is aten.index.Tensor:
            args = (first, self.places(args[1]))
        elif function is aten.index_put_.default:
            args = (first, self.places(args[1]), *args[2:])
        elif function is aten._to_copy.default and kwargs.get("device") is not None:
            self.copied(first, torch.device(kwargs["device"]), kwargs.get("non_blocking"))
        elif function is aten.copy_.default:
            self.copied(args[1], first.device, kwargs.get("non_blocking") or args[2:] == (True,))
        check_generator(function, first, kwargs)
        return function(*args, **kwargs)

    def copied(self, source, device, non_blocking) -> None:
        "A copy from the GPU waits; one to it waits unless it is `non_blocking`."
        if source.device.type == device.type:
            return
        if on_gpu(source) or not non_blocking:
            self.wait(f"{tuple(source.shape)} is copied from {source.device.type} to {device.type}")

    def sized_by_values(self, function, x, args, kwargs):
        "As if every place were chosen, or every value occurred once."
        if on_gpu(x):
            self.wait(f"the size of `{function.__name__.split('.')[0]}` is read")
        if function is aten.nonzero.default:
            return x.new_empty(x.numel(), x.ndim, dtype=torch.long)
        if function is aten._unique2.default:
            return x.flatten(), x.new_empty(x.shape, dtype=torch.long), x.new_empty(x.numel(), dtype=torch.long)
        if function is aten.unique_dim.default:
            counts = x.new_empty(x.shape[args[1]], dtype=torch.long)
            return x.clone(), counts, counts.clone()
        if function is aten.masked_select.default:
            check_devices(x, args[1])
            return x.flatten()
        length = kwargs.get("minlength", args[2] if len(args) > 2 else 0)
        return x.new_empty(max(length, 1), dtype=torch.long)

    def places(self, indices) -> list:
        "Indices of `Tensor.__getitem__`, masks replaced by the places that they choose: all."
        found = []
        for index in indices:
            if not isinstance(index, torch.Tensor) or index.dtype not in (torch.bool, torch.uint8):
                found.append(index)
                continue
            if on_gpu(index):
                self.wait("places are chosen by a mask")
            found += index.new_zeros(index.ndim, index.numel(), dtype=torch.long).unbind()
        return found


def check_devices(*tensors) -> None:
    if len({x.device for x in tensors}) > 1:
        raise RuntimeError(f"tensors on {', '.join(str(x.device) for x in tensors)}")


def check_generator(function, first, kwargs) -> None:
    "A random generator draws on its own device only."
    generator = kwargs.get("generator")
    if generator is None:
        return
    device = kwargs.get("device") or (first.device if isinstance(first, torch.Tensor) else "cpu")
    if torch.device(device).type != generator.device.type:
        raise RuntimeError(f"expected a {device} generator for {function}, got a {generator.device} one")


def backward(loss, gradient=None, retain_graph=None, create_graph=False, inputs=None) -> None:
    "`Tensor.backward` by a walk through the graph, on this thread."
    for variable, gradient in walk(loss, gradient).values():
        variable.grad = gradient if variable.grad is None else variable.grad + gradient


def grad(outputs, inputs, grad_outputs=None, **_) -> tuple:
    "`torch.autograd.grad` of one tensor by leaves of the graph."
    found = walk(outputs, grad_outputs)
    inputs = [inputs] if isinstance(inputs, torch.Tensor) else inputs
    return tuple(found[id(variable)][1] for variable in inputs)


def in_order(node) -> list:
    "All nodes of a graph, each before those that get gradients from it."
    done, order, stack = set(), [], [(node, False)]
    while stack:
        node, expanded = stack.pop()
        if expanded:
            order.append(node)
        elif node not in done:
            done.add(node)
            stack.append((node, True))
            stack += [(following, False) for following, _ in node.next_functions if following is not None]
    return order[::-1]


@torch.no_grad()
def walk(loss, gradient) -> dict:
    "The leaves of the graph of `loss` and their gradients, by the leaves' identity."
    arrived = {loss.grad_fn: {loss.output_nr: torch.ones_like(loss) if gradient is None else gradient}}
    leaves = {}
    for node in in_order(loss.grad_fn):
        gradients = arrived.pop(node, {})
        if not gradients:
            continue
        if hasattr(node, "variable"):
            leaves[id(node.variable)] = node.variable, gradients[0]
            continue
        count = len(node._input_metadata)
        leaving = (getattr(node, "apply", None) or node)(*[gradients.get(i) for i in range(count)])
        leaving = leaving if isinstance(leaving, (tuple, list)) else (leaving,)
        for (following, i), left in zip(node.next_functions, leaving):
            if following is not None and left is not None:
                left = fit(left, following._input_metadata[i])
                at = arrived.setdefault(following, {})
                at[i] = at[i] + left if i in at else left
    return leaves


def fit(gradient, expected):
    "A gradient in the shape and number type of what it belongs to, as PyTorch's engine makes it."
    if gradient.device != expected.device:
        raise RuntimeError(f"a gradient on {gradient.device} for a tensor on {expected.device}")
    return gradient.sum_to_size(tuple(expected.shape)).to(expected.dtype)


def apply(module, function, recurse=True):
    "`Module._apply`: on another device parameters become new ones, on the same they are changed, as optimizers know them."
    for child in module.children() if recurse else ():
        child._apply(function)
    for name, weight in module._parameters.items():
        if weight is None:
            continue
        with torch.no_grad():
            moved = function(weight)
        if moved.device == weight.device and type(moved) is type(weight.data):
            weight.data = moved
        else:
            module._parameters[name] = torch.nn.Parameter(moved, weight.requires_grad)
    for name, buffer in module._buffers.items():
        if buffer is not None:
            module._buffers[name] = function(buffer)
    return module


def to_numpy(tensor, *, force=False):
    "`Tensor.numpy`: zeros of the tensor's shape."
    if on_gpu(tensor):
        raise TypeError("can't convert a cuda tensor to numpy; use .cpu() first")
    dtype = torch.empty(0, dtype=tensor.dtype, device="meta").dtype
    return np.zeros(tuple(tensor.shape), str(dtype).removeprefix("torch."))


def deepcopy(tensor, memo):
    "`Tensor.__deepcopy__`, which would copy memory that isn't there."
    if id(tensor) not in memo:
        memo[id(tensor)] = tensor.detach().clone().requires_grad_(tensor.requires_grad)
    return memo[id(tensor)]


saved: dict[str, object] = {}  # what was saved by `torch.save`, by the first bytes of its file


def save(state, path, *_, **__) -> None:
    "`torch.save`: the tensors stay in memory, on the CPU."
    name = f"fake {len(saved)}"
    saved[name] = tree_map_only(torch.Tensor, lambda x: x.detach().cpu(), state)
    Path(path).write_text(name, encoding="utf-8")


def load(path, *_, **__):
    return copy.copy(saved[Path(path).read_text(encoding="utf-8")])


def save_tensors(tensors, metadata=None) -> bytes:
    "`safetensors.torch.save`: only checks."
    for name, tensor in tensors.items():
        if on_gpu(tensor):
            raise RuntimeError(f"{name} is on the GPU")
    return b"fake"


@contextmanager
def fake_cuda(
    capability: tuple[int, int] = (8, 0),  # of the GPU: from (8, 0) on it computes in bfloat16
):  # yields a `Log`
    "Within this context every tensor is fake, and there is one GPU."
    import safetensors.torch

    inside = "fake_tensor.py"

    def available() -> bool:
        return not any(frame.filename.endswith(inside) for frame in traceback.extract_stack(limit=4))

    def random_state(*_) -> torch.Tensor:
        return torch.zeros(16, dtype=torch.uint8)

    def set_random_state(state, *_) -> None:
        if state.device.type != "cpu" or state.dtype != torch.uint8:
            raise TypeError("a random state is set from bytes on the CPU")

    cuda = dict(
        is_available=available, device_count=lambda: 1, current_device=lambda: 0,
        get_device_capability=lambda *_: capability, is_bf16_supported=lambda *_, **__: capability >= (8, 0),
        is_current_stream_capturing=lambda: False, synchronize=lambda *_: None, get_rng_state=random_state,
        set_rng_state=set_random_state, get_device_name=lambda *_: "a fake GPU", max_memory_allocated=lambda *_: 0,
        reset_peak_memory_stats=lambda *_: None)
    with ExitStack() as stack:
        for name, function in cuda.items():
            stack.enter_context(mock.patch.object(torch.cuda, name, function))
        tensor = dict(backward=backward, numpy=to_numpy, __deepcopy__=deepcopy)
        for name, function in tensor.items():
            stack.enter_context(mock.patch.object(torch.Tensor, name, function))
        stack.enter_context(mock.patch.object(torch.nn.Module, "_apply", apply))
        stack.enter_context(mock.patch.object(torch.autograd, "grad", grad))
        files = dict(save=save, load=load, get_rng_state=random_state, set_rng_state=set_random_state)
        for name, function in files.items():
            stack.enter_context(mock.patch.object(torch, name, function))
        stack.enter_context(mock.patch.object(safetensors.torch, "save", save_tensors))
        stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        yield stack.enter_context(Log())
