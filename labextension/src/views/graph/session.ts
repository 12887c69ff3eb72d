/**
 * Owns what outlives a drawing of the view: model, layout, camera. One session a widget model, so that a cell's output
 * that is rendered again shows what it showed before.
 */
import type { Camera } from './camera';
import type { Positions } from './layout';
import { Layout } from './layout';
import { GraphModel } from './model';
import type { Scene } from './scene';
import { sceneOf } from './scene';

export interface Picture {
  readonly scene: Scene;
  readonly positions: Positions;
}

export class GraphSession {
  readonly model = new GraphModel();
  camera: Camera | null = null;
  /** True until the reader moves the picture: the camera then keeps everything in sight. */
  follows = true;
  legend = true;
  /** What the whole picture is called; empty when it needs no name. */
  title = '';
  /** Height of the stage in pixels; it only grows, so that what stands below is not moved up and down. */
  stageHeight = 0;

  private readonly layout = new Layout();
  private drawn: { structure: number; picture: Picture } | null = null;

  /** The current picture, laid out once for each structure of the graph. */
  picture(): Picture {
    if (this.drawn?.structure !== this.model.structure) {
      const scene = sceneOf(this.model);
      const positions = this.layout.update(scene.boxes, scene.layoutEdges);
      this.drawn = { structure: this.model.structure, picture: { scene, positions } };
    }
    return this.drawn.picture;
  }

  /** Arranges everything anew, as if the whole graph had come at once. */
  tidy(): void {
    this.layout.reset();
    this.drawn = null;
  }
}
