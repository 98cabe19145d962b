"""Runs models with onnxruntime. Each argument FOLDER:SHAPE (1x3x16x16) is one of them:

FOLDER/model.onnx gets FOLDER/input.bin, float32 of that shape.
Writes FOLDER/output_<i>.bin: rank and dimensions as int64, then float32 elements.
"""
import sys

import numpy as np
import onnxruntime


def run(folder, shape):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    # Fusing Q/DQ into integer kernels would change the rounding that the tests compare.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(f'{folder}/model.onnx', options)
    data = np.fromfile(f'{folder}/input.bin', dtype='<f4').reshape(shape)
    for i, output in enumerate(session.run(None, {session.get_inputs()[0].name: data})):
        with open(f'{folder}/output_{i}.bin', 'wb') as file:
            file.write(np.array([output.ndim, *output.shape], dtype='<i8').tobytes())
            file.write(output.astype('<f4').tobytes())


if __name__ == '__main__':
    for job in sys.argv[1:]:
        folder, _, shape = job.rpartition(':')
        run(folder, [int(n) for n in shape.split('x')])
