// What a seed means, in C++17: the numbers that an exported graph takes as its latent or noise, bit for bit those of
// `multigan generate --seed`. docs/noise.md is the specification, the numbers in brackets are its sections. Nothing is
// allocated and nothing locked, so that an audio thread may call it. Not with -ffast-math.
#pragma once

#include <array>
#include <cfloat>
#include <cmath>
#include <cstddef>
#include <cstdint>

#ifdef __FAST_MATH__
#error "multigan_noise.hpp needs IEEE 754 arithmetic: compile without -ffast-math"
#endif
static_assert(FLT_EVAL_METHOD == 0, "multigan_noise.hpp needs doubles that are rounded after each operation");

// A multiplication and an addition that become one operation round once where the specification rounds twice.
#if defined(__clang__)
#pragma clang fp contract(off)
#elif defined(__GNUC__)
#pragma GCC push_options
#pragma GCC optimize("fp-contract=off")
#elif defined(_MSC_VER)
#pragma fp_contract(off)
#endif

namespace multigan {

enum class Distribution { normal, uniform };

using Words = std::array<std::uint32_t, 4>;

// Philox 4x32-10 (Salmon et al., 2011) of a counter under a seed (1).
inline Words philox(Words c, std::uint64_t seed) {
    auto k0 = static_cast<std::uint32_t>(seed), k1 = static_cast<std::uint32_t>(seed >> 32);
    for (int round = 0; round < 10; ++round) {
        const std::uint64_t p = 0xD2511F53ull * c[0], q = 0xCD9E8D57ull * c[2];
        c = {static_cast<std::uint32_t>(q >> 32) ^ c[1] ^ k0, static_cast<std::uint32_t>(q),
             static_cast<std::uint32_t>(p >> 32) ^ c[3] ^ k1, static_cast<std::uint32_t>(p)};
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return c;
}

// ln(x) of a positive normal number, in operations that IEEE 754 fixes (3).
inline double natural_log(double x) {
    int e = 0;
    double m = std::frexp(x, &e);
    if (m < 0.7071067811865476) {
        m *= 2.0;
        --e;
    }
    const double f = (m - 1.0) / (m + 1.0), s = f * f;
    double v = 1.0 / 23.0;
    for (int k = 10; k >= 0; --k) v = v * s + 1.0 / (2 * k + 1);
    return e * 0.6931471805599453 + (2.0 * f) * v;
}

inline double polynomial(const std::array<double, 8>& coefficients, double x) {
    double v = coefficients[0];
    for (std::size_t i = 1; i < coefficients.size(); ++i) v = v * x + coefficients[i];
    return v;
}

// The inverse of the standard normal distribution at p in (0, 1): Wichura's AS 241, 1988 (3).
inline double quantile(double p) {
    static constexpr std::array<double, 8>
        a{2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4,
          1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080e0},
        b{5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4,
          5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1.0},
        c{7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e0,
          3.64784832476320460504e0, 5.76949722146069140550e0, 4.63033784615654529590e0, 1.42343711074968357734e0},
        d{1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
          6.89767334985100004550e-1, 1.67638483018380384940e0, 2.05319162663775882187e0, 1.0},
        e{2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
          2.96560571828504891230e-1, 1.78482653991729133580e0, 5.46378491116411436990e0, 6.65790464350110377720e0},
        f{2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
          1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1.0};
    const double q = p - 0.5;
    if (std::fabs(q) <= 0.425) {
        const double r = 0.180625 - q * q;
        return (q * polynomial(a, r)) / polynomial(b, r);
    }
    const double r = std::sqrt(-natural_log(std::fmin(p, 1.0 - p)));
    const double found = r <= 5.0 ? polynomial(c, r - 1.6) / polynomial(d, r - 1.6)
                                  : polynomial(e, r - 5.0) / polynomial(f, r - 5.0);
    return q < 0.0 ? -found : found;
}

// The normal distribution's probability below -t (3).
inline double tail(double t) {
    double low = 0.0, high = 0.5;
    for (int i = 0; i < 64; ++i) {
        const double middle = (low + high) / 2.0;
        (quantile(middle) < -t ? low : high) = middle;
    }
    return (low + high) / 2.0;
}

// One sample's values of a `latent` or `noise`. stream: 0 for the first such input of the contract, 1 for the next.
// truncation: 0 for none; up to 8 of normal numbers, up to 1 of uniform ones (2 and 3).
inline void draw(float* values, std::size_t size, Distribution distribution, std::uint64_t seed, std::uint64_t sample,
                 std::uint32_t stream = 0, double truncation = 0.0) {
    const bool cut = truncation > 0.0;
    const double width = cut ? truncation : 1.0;
    const double outside = cut && distribution == Distribution::normal ? tail(width) : 0.0;
    Words words{};
    for (std::size_t j = 0; j < size; ++j) {
        if (j % 4 == 0)
            words = philox({static_cast<std::uint32_t>(j / 4), stream, static_cast<std::uint32_t>(sample),
                            static_cast<std::uint32_t>(sample >> 32)}, seed);
        const double u = (words[j % 4] + 0.5) / 4294967296.0;
        if (distribution == Distribution::uniform)
            values[j] = static_cast<float>((2.0 * u - 1.0) * width);
        else if (cut)
            values[j] = static_cast<float>(
                std::fmin(std::fmax(quantile(outside + u * (1.0 - 2.0 * outside)), -width), width));
        else
            values[j] = static_cast<float>(quantile(u));
    }
}

// The number that a `condition` between two bounds gets where none is asked for. turn: the sample's number, divided by
// that of the classes where there are any (4).
inline float number(double minimum, double maximum, std::uint64_t turn) {
    double share = 0.0, digit = 0.5;
    for (std::uint64_t rest = turn + 1; rest != 0; rest >>= 1, digit /= 2.0)
        if (rest & 1u) share += digit;
    return static_cast<float>(minimum + share * (maximum - minimum));
}

}  // namespace multigan

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif
