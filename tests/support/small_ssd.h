#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "libs/networks/network.h"
#include "libs/networks/ssd/ssd_builder.h"

namespace trainyard::testing {

/// An SSD without a spec, two boxes a cell, with a record that agrees with its graph.
inline Model SsdModel(networks::SsdArchitecture architecture,
                      const std::vector<std::string>& classes, uint64_t seed = 1) {
  architecture.classes = static_cast<int64_t>(classes.size());
  architecture.boxes_per_cell = {2, 2, 2, 2, 2, 2};
  const networks::SsdBackbone backbone =
      *networks::FindSsdBackbone(architecture.arch, architecture.depth);
  const auto height = static_cast<int>(architecture.height);
  const auto width = static_cast<int>(architecture.width);
  Model model{std::move(networks::BuildSsd(architecture, seed)->graph), {}};
  model.record.set_network("ssd");
  model.record.set_arch(layers::BackboneName(backbone.options));
  for (const std::string& name : classes) model.record.add_classes(name);
  model::v1::Preprocess& preprocess = *model.record.mutable_preprocess();
  preprocess.set_width(width);
  preprocess.set_height(height);
  if (architecture.channels == 1) {
    preprocess.set_order(model::v1::Preprocess::GRAY);
    preprocess.add_mean(117.3786f);
  } else {
    preprocess.set_order(model::v1::Preprocess::BGR);
    for (const float mean : {103.939f, 116.779f, 123.68f}) preprocess.add_mean(mean);
  }
  preprocess.set_scale(1);
  model::v1::SsdHead& head = *model.record.mutable_ssd();
  double scale = 0.1;
  for (const networks::MapSize& cells : networks::SsdMapSizes(backbone, height, width)) {
    model::v1::SsdHead::Map& map = *head.add_maps();
    map.set_height(static_cast<int>(cells.height));
    map.set_width(static_cast<int>(cells.width));
    map.add_aspect_ratios(1);
    map.add_aspect_ratios(2);
    map.set_scale(scale);
    map.set_next_scale(scale + 0.15);
    scale += 0.15;
    map.set_step_y(static_cast<double>(height) / map.height());
    map.set_step_x(static_cast<double>(width) / map.width());
    map.set_offset_y(0.5);
    map.set_offset_x(0.5);
  }
  for (const double variance : {0.1, 0.1, 0.2, 0.2}) head.add_variances(variance);
  head.set_confidence_output(networks::kSsdConfidence);
  head.set_location_output(networks::kSsdLocation);
  head.set_confidence_threshold(0.01f);
  head.set_nms_iou_threshold(0.6f);
  head.set_top_k(200);
  return model;
}

/// The smallest one: ResNet-10 at `size` x `size`.
inline Model SmallSsd(const std::vector<std::string>& classes = {"car", "person"},
                      uint64_t seed = 1, int size = 128) {
  return SsdModel({.depth = 10, .width = size, .height = size}, classes, seed);
}

/// What SSD is offered on, all archs with all their depths, for an input of a size of which a pixel
/// is left over somewhere.
inline std::vector<networks::SsdArchitecture> AllSsds(int64_t channels = 3) {
  std::vector<networks::SsdArchitecture> all;
  for (const std::string& arch : networks::SsdArchs()) {
    std::vector<int> depths = networks::SsdDepths(arch);
    if (depths.empty()) depths.push_back(0);
    for (const int depth : depths) {
      all.push_back(
          {.arch = arch, .depth = depth, .width = 137, .height = 131, .channels = channels});
    }
  }
  return all;
}

/// Those of them that have something of their own: the least deep of a family, both DarkNets.
inline std::vector<networks::SsdArchitecture> SmallSsds(int64_t channels = 3) {
  std::vector<networks::SsdArchitecture> small = AllSsds(channels);
  std::erase_if(small, [](const networks::SsdArchitecture& ssd) {
    const bool deeper = ssd.arch != "darknet" && ssd.depth != 0 && ssd.depth != 10 && ssd.depth != 16;
    return deeper || ssd.arch == "efficientnet_b1" || ssd.arch == "efficientnet_lite1" ||
           ssd.arch == "efficientnet_lite2";
  });
  return small;
}

}  // namespace trainyard::testing
