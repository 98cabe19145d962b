#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/data/internal/codec.h"

namespace trainyard::data::internal {
namespace {

// As with libjpeg: errors jump back to the member function that called libpng, which holds nothing
// with a destructor.
struct ErrorState {
  jmp_buf jump;
  char message[128] = {};
};

[[noreturn]] void FailAndJump(png_structp png, png_const_charp message) {
  auto* state = static_cast<ErrorState*>(png_get_error_ptr(png));
  strncpy(state->message, message, sizeof(state->message) - 1);
  longjmp(state->jump, 1);
}

void IgnoreWarning(png_structp, png_const_charp) {}

class Reader {
 public:
  explicit Reader(absl::string_view bytes) : rest_(bytes) {}
  ~Reader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  bool Start() {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &errors_, FailAndJump, IgnoreWarning);
    if (png_ == nullptr) return false;
    if (setjmp(errors_.jump)) return false;
    info_ = png_create_info_struct(png_);
    png_set_user_limits(png_, kMaxImageSide, kMaxImageSide);
    // Only what makes the pixels is read: libpng asks for the memory that any other chunk says it
    // needs, before it sees that the file ends.
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
    png_set_read_fn(png_, this, Feed);
    png_read_info(png_, info_);
    return true;
  }

  ImageSize size() const {
    return {png_get_image_width(png_, info_), png_get_image_height(png_, info_)};
  }

  // Asks for 8-bit RGB without alpha, whatever the file holds. Returns the bytes of a row, 0:
  // failed.
  size_t Begin() {
    if (setjmp(errors_.jump)) return 0;
    png_set_expand(png_);
    png_set_scale_16(png_);
    png_set_gray_to_rgb(png_);
    png_set_strip_alpha(png_);
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    return png_get_rowbytes(png_, info_);
  }

  bool interlaced() const { return png_get_interlace_type(png_, info_) != PNG_INTERLACE_NONE; }

  // `rows` has one pointer a row; they may be equal when the image is not interlaced.
  bool ReadRows(png_bytepp rows) {
    if (setjmp(errors_.jump)) return false;
    png_read_image(png_, rows);
    png_read_end(png_, nullptr);
    return true;
  }

  absl::Status Error() const {
    return absl::DataLossError(absl::StrCat("the PNG cannot be decoded: ", errors_.message));
  }

 private:
  static void Feed(png_structp png, png_bytep out, size_t bytes) {
    auto* reader = static_cast<Reader*>(png_get_io_ptr(png));
    if (bytes > reader->rest_.size()) png_error(png, "the file ends early");
    memcpy(out, reader->rest_.data(), bytes);
    reader->rest_.remove_prefix(bytes);
  }

  absl::string_view rest_;
  ErrorState errors_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

class Writer {
 public:
  ~Writer() { png_destroy_write_struct(&png_, &info_); }

  bool Compress(png_bytepp rows, ImageSize size, int channels, std::string* out) {
    png_ = png_create_write_struct(PNG_LIBPNG_VER_STRING, &errors_, FailAndJump, IgnoreWarning);
    if (png_ == nullptr) return false;
    if (setjmp(errors_.jump)) return false;
    info_ = png_create_info_struct(png_);
    png_set_write_fn(png_, out, Append, nullptr);
    png_set_IHDR(png_, info_, static_cast<png_uint_32>(size.width),
                 static_cast<png_uint_32>(size.height), 8,
                 channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png_, info_);
    png_write_image(png_, rows);
    png_write_end(png_, nullptr);
    return true;
  }
  const char* message() const { return errors_.message; }

 private:
  static void Append(png_structp png, png_bytep data, size_t bytes) {
    static_cast<std::string*>(png_get_io_ptr(png))->append(reinterpret_cast<char*>(data), bytes);
  }
  ErrorState errors_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

// The size that the header states. libpng refuses one beyond its limits without naming them.
absl::Status CheckStatedSize(absl::string_view bytes) {
  constexpr size_t kWidth = 16, kEnd = 24;
  if (bytes.size() < kEnd || bytes.substr(kWidth - 4, 4) != "IHDR") return absl::OkStatus();
  const auto* const stated = reinterpret_cast<png_const_bytep>(bytes.data() + kWidth);
  const int64_t width = png_get_uint_32(stated), height = png_get_uint_32(stated + 4);
  return width < 1 || height < 1 ? absl::OkStatus() : CheckImageSize(width, height);
}

}  // namespace

absl::StatusOr<ImageSize> ReadPng(absl::string_view bytes, Depth depth, Tensor* image) {
  TY_RETURN_IF_ERROR(CheckStatedSize(bytes));
  Reader reader(bytes);
  if (!reader.Start()) return reader.Error();
  const ImageSize size = reader.size();
  TY_RETURN_IF_ERROR(CheckImageSize(size.width, size.height));
  if (depth == Depth::kHeader) return size;

  const size_t row_bytes = reader.Begin();
  if (row_bytes == 0) return reader.Error();
  if (row_bytes != static_cast<size_t>(size.width) * 3) {
    return absl::DataLossError("the PNG cannot be turned into 8-bit RGB");
  }
  // Interlaced rows are filled in several passes, so that each needs its own memory.
  const bool one_row = depth == Depth::kVerify && !reader.interlaced();
  TY_ASSIGN_OR_RETURN(Tensor pixels,
                      Tensor::Create(DType::kUInt8, {one_row ? 1 : size.height, size.width, 3}));
  std::vector<png_bytep> rows(static_cast<size_t>(size.height));
  for (size_t y = 0; y < rows.size(); ++y) {
    rows[y] = pixels.data<uint8_t>().data() + (one_row ? 0 : y * row_bytes);
  }
  if (!reader.ReadRows(rows.data())) return reader.Error();
  if (depth == Depth::kDecode) *image = std::move(pixels);
  return size;
}

absl::StatusOr<std::string> WritePng(const uint8_t* pixels, ImageSize size, int channels) {
  std::vector<png_bytep> rows(static_cast<size_t>(size.height));
  for (size_t y = 0; y < rows.size(); ++y) {
    rows[y] = const_cast<png_bytep>(pixels + y * static_cast<size_t>(size.width * channels));
  }
  std::string out;
  Writer writer;
  if (!writer.Compress(rows.data(), size, channels, &out)) {
    return absl::InternalError(absl::StrCat("the PNG cannot be encoded: ", writer.message()));
  }
  return out;
}

}  // namespace trainyard::data::internal
