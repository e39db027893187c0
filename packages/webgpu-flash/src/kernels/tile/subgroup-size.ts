// How a shader says at which subgroup size it runs, on adapters whose drivers would choose one of several
// (WebGPU's `subgroup-size-control`): a kernel that deals rows to lanes is right at one size only.
import type { MatrixSubgroups } from '../../plan/usable-matrices.ts'

/**
 * Lines that stand before all others.
 *
 * @param halves - Whether anything is float16.
 */
export function enableMatrices({ statesSize = false }: MatrixSubgroups, halves = true): string {
  return `${halves ? 'enable f16;\n' : ''}enable subgroups;
${statesSize ? 'enable subgroup_size_control;\n' : ''}enable chromium_experimental_subgroup_matrix;
diagnostic(off, chromium.subgroup_matrix_uniformity);`
}

/** The attributes of an entry point of so many threads. */
export function computeStage(
  threads: number,
  { subgroupSize, statesSize = false }: MatrixSubgroups,
): string {
  return `@compute @workgroup_size(${threads})${statesSize ? ` @subgroup_size(${subgroupSize})` : ''}`
}
