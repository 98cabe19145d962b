#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "libs/data/image_io.h"
#include "libs/tensor/tensor.h"

namespace trainyard::testing {

/// Writes `count` pictures of `size` pixels into ROOT/CLASS, all of one colour with a stripe at another
/// place in each.
inline void WriteClassFolder(const std::string& root, const std::string& name, int count,
                             uint8_t red, uint8_t green, uint8_t blue, int size = 24) {
  const std::string folder = JoinPath(root, name);
  ASSERT_TRUE(MakeFolders(folder).ok());
  for (int i = 0; i < count; ++i) {
    Tensor image = Tensor::Zeros(DType::kUInt8, {size, size, 3});
    auto pixels = image.data<uint8_t>();
    for (int64_t p = 0; p < size * size; ++p) {
      const bool stripe = p % size == i % size;
      pixels[3 * p] = stripe ? 128 : red;
      pixels[3 * p + 1] = stripe ? 128 : green;
      pixels[3 * p + 2] = stripe ? 128 : blue;
    }
    const auto png = data::EncodePng(image);
    ASSERT_TRUE(png.ok());
    ASSERT_TRUE(WriteFileAtomically(JoinPath(folder, absl::StrCat(i, ".png")), *png).ok());
  }
}

/// A classifier of 24x24 pictures on ResNet-10 with what a training needs; `root` has train/ and val/.
inline std::string SmallClassificationSpec(absl::string_view root) {
  return absl::StrCat(R"(
eval_config { top_k: 2 batch_size: 4 eval_dataset_path: ")", root, R"(/val" }
model_config { arch: "resnet" n_layers: 10 input_image_size: "3,24,24" use_batch_norm: true }
train_config {
  train_dataset_path: ")", root, R"(/train"
  val_dataset_path: ")", root, R"(/val"
  batch_size_per_gpu: 4
  n_epochs: 2
  optimizer { sgd { momentum: 0.9 } }
  reg_config { type: "L2" scope: "Conv2D,Dense" weight_decay: 1e-5 }
  lr_config { step { learning_rate: 0.01 step_size: 50 gamma: 0.1 } }
}
)");
}

}  // namespace trainyard::testing
