#pragma once

#include <atomic>
#include <cstdint>
#include <random>
#include <string>

namespace maskbus::detail {

/// Makes request ids that nobody else can guess and that never come twice.
///
/// An id is 96 random bits, drawn once, and a count. Ids are seen by this client and its node alone, so the count gives
/// nothing away to others; and it spares each request the system call that fresh random bits cost.
class Ids {
public:
    Ids() {
        std::random_device random;
        for (int part = 0; part < 3; ++part) {
            append_hex(prefix_, static_cast<std::uint32_t>(random()));
        }
        count_ = static_cast<std::uint32_t>(random());
    }

    /// Return a new id of 32 hexadecimal digits. Any thread may ask.
    std::string next() {
        std::string id;
        id.reserve(32);
        id += prefix_;
        append_hex(id, count_.fetch_add(1, std::memory_order_relaxed));
        return id;
    }

private:
    static void append_hex(std::string& text, std::uint32_t number) {
        static constexpr char digits[] = "0123456789abcdef";
        for (int shift = 28; shift >= 0; shift -= 4) {
            text += digits[(number >> shift) & 15U];
        }
    }

    std::string prefix_;
    std::atomic<std::uint32_t> count_{0};
};

}  // namespace maskbus::detail
