// What a multigan seed means, in JavaScript: equal bit for bit to multigan/noise.py. See docs/noise.md.
// seed: a BigInt below 2^64 or a whole Number below 2^53; start: a whole Number below 2^53.

const LN2 = 0.6931471805599453;
const SQRT_HALF = 0.7071067811865476;
const LOG_TERMS = 12;
const CENTRE = [
  [2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4,
    1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.387132872796366608],
  [5.226495278852854561e3, 2.8729085735721942674e4, 3.930789580009271061e4, 2.1213794301586595867e4,
    5.3941960214247511077e3, 6.871870074920579083e2, 4.2313330701600911252e1, 1.0],
];
const TAIL = [
  [7.7454501427834140764e-4, 2.27238449892691845833e-2, 2.4178072517745061177e-1, 1.27045825245236838258,
    3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734],
  [1.05075007164441684324e-9, 5.475938084995344946e-4, 1.51986665636164571966e-2, 1.4810397642748007459e-1,
    6.8976733498510000455e-1, 1.6763848301838038494, 2.05319162663775882187, 1.0],
];
const FAR_TAIL = [
  [2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.2426609473880784386e-3, 2.6532189526576123093e-2,
    2.9656057182850489123e-1, 1.7848265399172913358, 5.4637849111641143699, 6.6579046435011037772],
  [2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5, 7.868691311456132591e-4,
    1.48753612908506148525e-2, 1.3692988092273580531e-1, 5.9983220655588793769e-1, 1.0],
];

// The high 32 bits of the product of two 32-bit words.
function multiplyHigh(a, b) {
  const aLow = a & 0xffff, aHigh = a >>> 16, bLow = b & 0xffff, bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + Math.floor(middle / 65536) + Math.floor(carry / 65536)) >>> 0;
}

// Philox 4x32-10: four words of counter and two of key give four words.
export function philox([c0, c1, c2, c3], [k0, k1]) {
  for (let round = 0; round < 10; round++) {
    const leftHigh = multiplyHigh(0xd2511f53, c0), leftLow = Math.imul(0xd2511f53, c0) >>> 0;
    const rightHigh = multiplyHigh(0xcd9e8d57, c2), rightLow = Math.imul(0xcd9e8d57, c2) >>> 0;
    [c0, c1, c2, c3] = [(rightHigh ^ c1 ^ k0) >>> 0, rightLow, (leftHigh ^ c3 ^ k1) >>> 0, leftLow];
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [c0, c1, c2, c3];
}

// Calls use(position, u) with u uniform in (0, 1) for each value of samples start to start + count.
function eachFraction(seed, start, count, size, stream, use) {
  const wide = BigInt(seed);
  if (wide < 0n || wide >= 1n << 64n) throw new RangeError(`seed ${seed} is out of range`);
  if (!Number.isSafeInteger(start) || start < 0 || start + count > Number.MAX_SAFE_INTEGER) {
    throw new RangeError(`start ${start} is out of range`);
  }
  const key = [Number(wide & 0xffffffffn), Number(wide >> 32n)];
  for (let row = 0; row < count; row++) {
    const sample = start + row, low = sample % 4294967296, high = Math.floor(sample / 4294967296);
    for (let block = 0; block * 4 < size; block++) {
      const block4 = philox([block, stream, low, high], key);
      for (let word = 0; word < 4 && block * 4 + word < size; word++) {
        use(row * size + block * 4 + word, (block4[word] + 0.5) / 4294967296);
      }
    }
  }
}

const bits = new DataView(new ArrayBuffer(8));

// ln x of a positive normal number, in operations that IEEE 754 fixes (Math.log differs between engines).
export function naturalLog(x) {
  bits.setFloat64(0, x);
  const high = bits.getUint32(0);
  let exponent = (high >>> 20) - 1022;
  bits.setUint32(0, ((high & 0xfffff) | 0x3fe00000) >>> 0);
  let mantissa = bits.getFloat64(0);
  if (mantissa < SQRT_HALF) {
    mantissa *= 2;
    exponent -= 1;
  }
  const f = (mantissa - 1) / (mantissa + 1);
  const square = f * f;
  let series = 1 / (2 * LOG_TERMS - 1);
  for (let term = LOG_TERMS - 2; term >= 0; term--) series = series * square + 1 / (2 * term + 1);
  return exponent * LN2 + 2 * f * series;
}

function horner(coefficients, x) {
  let value = coefficients[0];
  for (let i = 1; i < coefficients.length; i++) value = value * x + coefficients[i];
  return value;
}

// The inverse of the standard normal distribution (Wichura's AS 241, PPND16).
export function normalQuantile(p) {
  const q = p - 0.5;
  if (Math.abs(q) <= 0.425) {
    const r = 0.180625 - q * q;
    return (q * horner(CENTRE[0], r)) / horner(CENTRE[1], r);
  }
  const r = Math.sqrt(-naturalLog(Math.min(p, 1 - p)));
  const [polynomials, x] = r <= 5 ? [TAIL, r - 1.6] : [FAR_TAIL, r - 5];
  const distance = horner(polynomials[0], x) / horner(polynomials[1], x);
  return q < 0 ? -distance : distance;
}

// Phi(-t).
export function tailProbability(t) {
  let low = 0, high = 0.5;
  for (let halving = 0; halving < 64; halving++) {
    const middle = (low + high) / 2;
    if (normalQuantile(middle) < -t) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

function checkTruncation(value, widest) {
  if (!(value > 0 && value <= widest)) throw new RangeError(`truncation ${value} is out of range: (0, ${widest}]`);
}

// Uniform in [-t, t] (t = 1 without truncation), row after row: Float32Array of count * size values.
export function uniform(seed, start, count, size, truncation = null, stream = 0) {
  const width = truncation ?? 1;
  checkTruncation(width, 1);
  const values = new Float32Array(count * size);
  eachFraction(seed, start, count, size, stream, (at, u) => { values[at] = (2 * u - 1) * width; });
  return values;
}

// Standard normal, restricted to [-t, t] with a truncation, row after row: Float32Array of count * size values.
export function normal(seed, start, count, size, truncation = null, stream = 0) {
  const values = new Float32Array(count * size);
  if (truncation === null) {
    eachFraction(seed, start, count, size, stream, (at, u) => { values[at] = normalQuantile(u); });
    return values;
  }
  checkTruncation(truncation, 8);
  const outside = tailProbability(truncation);
  eachFraction(seed, start, count, size, stream, (at, u) => {
    const value = normalQuantile(outside + u * (1 - 2 * outside));
    values[at] = Math.min(Math.max(value, -truncation), truncation);
  });
  return values;
}

// The numbers of samples that are not told one, evenly over [minimum, maximum]: Float32Array of count values.
export function numbers(minimum, maximum, start, count, classes = 0) {
  const values = new Float32Array(count);
  for (let at = 0; at < count; at++) {
    let left = Math.floor((start + at) / Math.max(classes, 1)) + 1, share = 0;
    for (let place = 0.5; left > 0; place /= 2, left = Math.floor(left / 2)) share += place * (left % 2);
    values[at] = minimum + share * (maximum - minimum);
  }
  return values;
}
