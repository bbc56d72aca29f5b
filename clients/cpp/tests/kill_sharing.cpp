// A client that uses shared memory all the time and checks all it gets, made to be killed.
//
//     kill_sharing ENDPOINT FILE SEED MODE
//
// MODE is `wait` (one request after the other) or `ahead` (a few under way at once). FILE.phase holds one letter for
// what it is doing: l(ease), w(rite), r(equest), v(erify). To FILE.log it writes what came of each frame, a line each:
// `ok`, `error CODE`, or `bad …`, which must not be.

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <future>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "maskbus/maskbus.hpp"
#include "maskbus/shm/segment.hpp"
#include "maskbus/shm/shared_memory.hpp"

namespace {

constexpr std::uint32_t columns = 400;
constexpr std::uint32_t most_rows = 300;

/// What an observer sees of this program, also once it has been killed.
class Diary {
public:
    explicit Diary(const std::string& file)
        : phase_(open((file + ".phase").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)),
          log_(open((file + ".log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {}

    void enter(char phase) const {
        check(pwrite(phase_, &phase, 1, 0) == 1);
    }
    void say(std::string line) const {
        line += '\n';
        check(write(log_, line.data(), line.size()) == static_cast<ssize_t>(line.size()));
    }

private:
    static void check(bool written) {
        if (!written) {
            std::abort();
        }
    }

    int phase_;
    int log_;
};

bool is_harmless(const std::string& code) {
    static const std::array<const char*, 8> harmless = {"worker_died",       "shutting_down", "busy",
                                                        "deadline_exceeded", "unreachable",   "model_unavailable",
                                                        "cancelled",         "unknown_lease"};
    for (const char* one : harmless) {
        if (code == one) {
            return true;
        }
    }
    return false;
}

/// A frame of noise, and a mask of noise to be sent back: any byte of it that is missing or another's is noticed.
struct Frame {
    Frame(maskbus::shm::SharedImage where, std::mt19937& random)
        : image(std::move(where)), mask(std::size_t{image.height()} * ((columns + 7) / 8)) {
        fill(image.data(), image.size(), random);
        fill(mask.data(), mask.size(), random);
    }

    [[nodiscard]] maskbus::Prompt prompt() const {
        maskbus::Prompt made;
        maskbus::MaskPrompt sent;
        sent.encoding = maskbus::MaskEncoding::bits;
        sent.bytes = maskbus::Bytes::copy_of(mask.data(), mask.size());
        made.mask = std::move(sent);
        return made;
    }

    /// Say what came of it.
    [[nodiscard]] std::string judge(const maskbus::Result<maskbus::Segmentation>& masks) const {
        if (!masks) {
            const maskbus::Error& error = masks.error();
            return (is_harmless(error.code) ? "error " : "bad error ") + error.code + " " + error.message + " " +
                   error.path;
        }
        if (masks->masks().size() != 1 || masks->height() != image.height()) {
            return "bad answer: another frame's";
        }
        const std::optional<maskbus::Bytes> raw = masks->masks()[0].raw();
        if (!raw || raw->size() != std::size_t{image.height()} * columns) {
            return "bad answer: no mask of this size";
        }
        for (std::size_t i = 0; i < raw->size(); ++i) {
            const unsigned byte = mask[i / columns * ((columns + 7) / 8) + i % columns / 8];
            const std::uint8_t expected = (byte & (0x80U >> (i % columns % 8))) != 0 ? 255 : 0;
            if (raw->data()[i] != expected) {
                return "bad pixel " + std::to_string(i);
            }
        }
        return masks->result() ? "ok" : "ok attached";
    }

    static void fill(std::uint8_t* bytes, std::size_t size, std::mt19937& random) {
        for (std::size_t i = 0; i < size; ++i) {
            bytes[i] = static_cast<std::uint8_t>(random());
        }
    }

    maskbus::shm::SharedImage image;
    std::vector<std::uint8_t> mask;
};

class Sharing {
public:
    Sharing(maskbus::Client& client, const Diary& diary, std::uint32_t seed)
        : client_(client), diary_(diary), random_(seed) {}

    /// Returns why there is no memory; otherwise only ends with the process.
    maskbus::Error run(bool ahead) {
        maskbus::shm::SharedMemoryOptions options;
        options.slots = ahead ? 6 : 3;
        options.slot_bytes = std::size_t{columns} * most_rows * 3;
        options.checksum = true;
        diary_.enter('l');
        maskbus::Result<maskbus::shm::SharedMemory> memory = maskbus::shm::SharedMemory::lease(client_, options);
        if (!memory) {
            return std::move(memory).error();
        }
        while (true) {
            if (ahead) {
                step_ahead(*memory);
            } else {
                step(*memory);
            }
        }
    }

private:
    using Future = std::future<maskbus::Result<maskbus::Segmentation>>;

    maskbus::Result<Frame> draw(maskbus::shm::SharedMemory& memory) {
        diary_.enter('w');
        const auto rows = static_cast<std::uint32_t>(100 + random_() % (most_rows - 99));
        maskbus::Result<maskbus::shm::SharedImage> image = memory.image(columns, rows, maskbus::ImageEncoding::rgb8);
        if (!image) {
            return std::move(image).error();
        }
        return Frame(*std::move(image), random_);
    }

    void step(maskbus::shm::SharedMemory& memory) {
        const maskbus::Result<Frame> frame = draw(memory);
        if (!frame) {
            diary_.say("bad " + frame.error().code);
            return;
        }
        diary_.enter('r');
        const maskbus::Result<maskbus::Segmentation> masks =
            maskbus::shm::segment(client_, frame->image, frame->prompt(), options_);
        diary_.enter('v');
        diary_.say(frame->judge(masks));
    }

    void step_ahead(maskbus::shm::SharedMemory& memory) {
        maskbus::Result<Frame> frame = under_way_.size() < 3 ? draw(memory) : maskbus::Result<Frame>(maskbus::Error{});
        if (frame) {
            diary_.enter('r');
            Future future = maskbus::shm::segment_async(client_, frame->image, frame->prompt(), options_);
            under_way_.emplace_back(*std::move(frame), std::move(future));
            return;
        }
        if (under_way_.empty()) {
            // The node that has the slots may have just been killed: then nobody will give them back.
            diary_.say("error " + frame.error().code);
            renew(memory);
            return;
        }
        diary_.enter('r');
        const maskbus::Result<maskbus::Segmentation> masks = under_way_.front().second.get();
        diary_.enter('v');
        diary_.say(under_way_.front().first.judge(masks));
        under_way_.pop_front();
        if (!masks && masks.error().code == maskbus::codes::unknown_lease) {
            renew(memory);
        }
    }

    void renew(maskbus::shm::SharedMemory& memory) {
        diary_.enter('l');
        if (const maskbus::Result<void> renewed = memory.renew(client_); !renewed) {
            diary_.say((is_harmless(renewed.error().code) ? "error " : "bad ") + renewed.error().code);
        }
    }

    maskbus::Client& client_;
    const Diary& diary_;
    std::mt19937 random_;
    maskbus::SegmentOptions options_ = [] {
        maskbus::SegmentOptions options;
        options.model = "echo";
        options.encodings = {maskbus::MaskEncoding::raw, maskbus::MaskEncoding::labels};
        return options;
    }();
    std::deque<std::pair<Frame, Future>> under_way_;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 5) {
        std::fprintf(stderr, "usage: kill_sharing ENDPOINT FILE SEED wait|ahead\n");
        return 2;
    }
    const Diary diary(argv[2]);
    maskbus::ClientOptions options;
    options.endpoint = argv[1];
    options.deadline = std::chrono::seconds(20);
    options.connect_timeout = std::chrono::seconds(20);
    options.retries = 5;
    maskbus::Result<maskbus::Client> client = maskbus::Client::connect(options);
    if (!client) {
        diary.say("bad " + client.error().message);
        return 1;
    }
    Sharing sharing(*client, diary, static_cast<std::uint32_t>(std::strtoul(argv[3], nullptr, 10)));
    const maskbus::Error error = sharing.run(std::string(argv[4]) == "ahead");
    diary.say("bad lease " + error.code + " " + error.message);
    return 1;
}
