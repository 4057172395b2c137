"""The inverse of the normal distribution in operations that IEEE 754 fixes to the last bit. Only numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def _polynomials(numerator: tuple[float, ...], denominator: tuple[float, ...]) -> Floats:
    """The coefficients of both, `[8, 2, 1]`: each step of Horner's rule is one operation for the two."""
    return np.array([numerator, denominator]).T[..., None]


_CENTRE = _polynomials(
    (2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4,
     1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080e0),
    (5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4,
     5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1.0),
)  # fmt: skip
_TAIL = _polynomials(
    (7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e0,
     3.64784832476320460504e0, 5.76949722146069140550e0, 4.63033784615654529590e0, 1.42343711074968357734e0),
    (1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
     6.89767334985100004550e-1, 1.67638483018380384940e0, 2.05319162663775882187e0, 1.0),
)  # fmt: skip
_FAR_TAIL = _polynomials(
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
     2.96560571828504891230e-1, 1.78482653991729133580e0, 5.46378491116411436990e0, 6.65790464350110377720e0),
    (2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
     1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1.0),
)  # fmt: skip
"""AS 241's numerators and denominators (PPND16), highest power first: |p - 1/2| <= 0.425, then r <= 5, then beyond."""

_LN2 = 0.6931471805599453
_SQRT_HALF = 0.7071067811865476
_SERIES = [1.0 / (2 * term + 1) for term in range(12)]


def normal_quantile(p: Floats) -> Floats:
    """The inverse of the standard normal distribution at `p` in (0, 1): AS 241, relative error about 1e-15."""
    offset = p - 0.5
    central = np.abs(offset) <= 0.425
    result = np.empty_like(p)
    q = offset[central]
    result[central] = _ratio(_CENTRE, 0.180625 - q * q, q)
    outer = p[~central]
    r = np.sqrt(-natural_log(np.minimum(outer, 1.0 - outer)))
    distance = _ratio(_TAIL, r - 1.6, 1.0)
    far = r > 5.0
    if far.any():
        distance[far] = _ratio(_FAR_TAIL, r[far] - 5.0, 1.0)
    result[~central] = np.where(offset[~central] < 0.0, -distance, distance)
    return result


def natural_log(x: Floats) -> Floats:
    """ln of positive normal numbers in fixed IEEE operations (a libm's may differ in the last bit from another's).

    x = m 2^e with m in [sqrt(1/2), sqrt(2)); with f = (m - 1)/(m + 1), ln m = 2f (1 + f^2/3 + f^4/5 + ...).
    """
    mantissa, exponent = np.frexp(x)
    small = mantissa < _SQRT_HALF
    mantissa = np.where(small, mantissa * 2.0, mantissa)
    power = exponent - small
    f = (mantissa - 1.0) / (mantissa + 1.0)
    square = f * f
    series = square * _SERIES[-1] + _SERIES[-2]
    for term in reversed(_SERIES[:-2]):
        series = series * square + term
    return power * _LN2 + 2.0 * f * series


def tail_probability(t: float) -> float:
    """Phi(-t) for t > 0: 64 halvings of [0, 1/2] by the sign of `normal_quantile(middle) + t`."""
    low, high = 0.0, 0.5
    for _ in range(64):
        middle = (low + high) / 2.0
        if float(normal_quantile(np.array([middle]))[0]) < -t:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0


def _ratio(polynomials: Floats, x: Floats, factor: Floats | float) -> Floats:
    """factor * numerator(x) / denominator(x), by Horner's rule."""
    value = polynomials[0]
    for coefficients in polynomials[1:]:
        value = value * x + coefficients
    return factor * value[0] / value[1]
