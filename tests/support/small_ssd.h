#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libs/networks/network.h"
#include "libs/networks/ssd/ssd_builder.h"

namespace trainyard::testing {

/// An SSD without a spec: ResNet-10 at `size` x `size`, with a record that agrees with its graph.
inline Model SmallSsd(const std::vector<std::string>& classes = {"car", "person"},
                      uint64_t seed = 1, int size = 128) {
  Model model{*BuildSsdGraph({.depth = 10,
                              .width = size,
                              .height = size,
                              .classes = static_cast<int64_t>(classes.size()),
                              .boxes_per_cell = {2, 2, 2, 2, 2, 2}},
                             seed),
              {}};
  model.record.set_network("ssd");
  model.record.set_arch("resnet10");
  for (const std::string& name : classes) model.record.add_classes(name);
  model::v1::Preprocess& preprocess = *model.record.mutable_preprocess();
  preprocess.set_width(size);
  preprocess.set_height(size);
  preprocess.set_order(model::v1::Preprocess::BGR);
  for (const float mean : {103.939f, 116.779f, 123.68f}) preprocess.add_mean(mean);
  preprocess.set_scale(1);
  model::v1::SsdHead& head = *model.record.mutable_ssd();
  double scale = 0.1;
  for (const MapSize& cells : SsdMapSizes(size, size)) {
    model::v1::SsdHead::Map& map = *head.add_maps();
    map.set_height(static_cast<int>(cells.height));
    map.set_width(static_cast<int>(cells.width));
    map.add_aspect_ratios(1);
    map.add_aspect_ratios(2);
    map.set_scale(scale);
    map.set_next_scale(scale + 0.15);
    scale += 0.15;
    map.set_step_y(static_cast<double>(size) / map.height());
    map.set_step_x(static_cast<double>(size) / map.width());
    map.set_offset_y(0.5);
    map.set_offset_x(0.5);
  }
  for (const double variance : {0.1, 0.1, 0.2, 0.2}) head.add_variances(variance);
  head.set_confidence_output(kSsdConfidence);
  head.set_location_output(kSsdLocation);
  head.set_confidence_threshold(0.01f);
  head.set_nms_iou_threshold(0.6f);
  head.set_top_k(200);
  return model;
}

}  // namespace trainyard::testing
