// The singular value decomposition of a tall matrix, by Householder reflections and then one-sided
// Jacobi rotations of the small triangle (Golub and Van Loan, sections 5.2 and 8.6). The normal
// equations would square a condition number that is 1e17 to begin with.

/** A tall matrix X = U diag(values) V^T, ready to solve least squares with. */
export interface SingularValues {
  /** Singular values, largest first. */
  readonly values: Float64Array<ArrayBuffer>
  /** V: the right singular vector of each value. */
  readonly vectors: readonly Float64Array[]
  /** U^T y: one number for each singular value. */
  readonly project: (y: ArrayLike<number>) => Float64Array<ArrayBuffer>
}

const mostSweeps = 40

/** Decomposes the matrix with these columns, which are at most as many as its rows. */
export function singularValues(columns: readonly Float64Array[]): SingularValues {
  const { triangle, reflectors } = factorize(columns)
  const width = triangle.length
  const vectors = triangle.map((_, index) => {
    const unit = new Float64Array(width)
    unit[index] = 1
    return unit
  })
  // Rotations from the right make the triangle's columns orthogonal: R V = U diag(values).
  let sweeps = 0
  while (orthogonalize(triangle, vectors) && sweeps < mostSweeps) sweeps++

  const norms = triangle.map((column) => Math.sqrt(dot(column, column)))
  const order = norms.map((_, index) => index).toSorted((a, b) => norms[b]! - norms[a]!)
  return {
    values: Float64Array.from(order, (index) => norms[index]!),
    vectors: order.map((index) => vectors[index]!),
    project: (y) => {
      const reflected = Float64Array.from(y)
      for (const reflector of reflectors) reflect(reflector, reflected)
      const top = reflected.subarray(0, width)
      return Float64Array.from(order, (index) =>
        norms[index] === 0 ? 0 : dot(triangle[index]!, top) / norms[index]!,
      )
    },
  }
}

/** X = Q R: the columns of R, and the reflections that make Q^T. */
function factorize(columns: readonly Float64Array[]): {
  triangle: Float64Array[]
  reflectors: Float64Array[]
} {
  const work = columns.map((column) => Float64Array.from(column))
  const reflectors = work.map((column, index) => {
    // The reflection that turns what is left of this column into a multiple of one axis.
    const reflector = Float64Array.from(column)
    reflector.fill(0, 0, index)
    const norm = Math.sqrt(dot(reflector, reflector))
    reflector[index]! += reflector[index]! < 0 ? -norm : norm
    const length = Math.sqrt(dot(reflector, reflector))
    if (length > 0) reflector.forEach((value, row) => (reflector[row] = value / length))
    for (const later of work.slice(index)) reflect(reflector, later)
    return reflector
  })
  const triangle = work.map((column, index) => {
    const kept = new Float64Array(work.length)
    kept.set(column.subarray(0, index + 1))
    return kept
  })
  return { triangle, reflectors }
}

/** Reflects a vector in place: v - 2 r (r . v). */
function reflect(reflector: Float64Array, vector: Float64Array): void {
  const twice = 2 * dot(reflector, vector)
  for (let row = 0; row < vector.length; row++) vector[row]! -= twice * reflector[row]!
}

/** One sweep over all pairs of columns; whether any was not yet orthogonal. */
function orthogonalize(columns: Float64Array[], vectors: Float64Array[]): boolean {
  let changed = false
  for (let left = 0; left < columns.length; left++) {
    for (let right = left + 1; right < columns.length; right++) {
      const a = dot(columns[left]!, columns[left]!)
      const b = dot(columns[right]!, columns[right]!)
      const between = dot(columns[left]!, columns[right]!)
      if (Math.abs(between) <= 1e-15 * Math.sqrt(a * b)) continue
      changed = true
      const slope = (b - a) / (2 * between)
      const tangent = Math.sign(slope || 1) / (Math.abs(slope) + Math.hypot(1, slope))
      const cosine = 1 / Math.hypot(1, tangent)
      rotateColumns(columns[left]!, columns[right]!, cosine, cosine * tangent)
      rotateColumns(vectors[left]!, vectors[right]!, cosine, cosine * tangent)
    }
  }
  return changed
}

function rotateColumns(x: Float64Array, y: Float64Array, cosine: number, sine: number): void {
  for (let row = 0; row < x.length; row++) {
    const [u, v] = [x[row]!, y[row]!]
    x[row] = cosine * u - sine * v
    y[row] = sine * u + cosine * v
  }
}

function dot(left: Float64Array, right: Float64Array): number {
  let sum = 0
  for (let row = 0; row < left.length; row++) sum += left[row]! * right[row]!
  return sum
}
