import type { Driver } from './driver.js'

/** A recorded run of launches and copies that one call starts. */
export class Graph {
  readonly executable: bigint

  constructor(
    private readonly driver: Driver,
    definition: bigint,
  ) {
    try {
      this.executable = driver.handle('cuGraphInstantiateWithFlags', definition, 0)
    } finally {
      driver.call('cuGraphDestroy', definition)
    }
  }

  close(): void {
    this.driver.call('cuGraphExecDestroy', this.executable)
  }
}
