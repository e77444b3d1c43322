//! The expansions, as text: what a user's crate compiles.

use expect_test::{Expect, expect};
use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use std::fmt::Write as _;

#[path = "../../jit-asm/tests/syntax/soup.rs"]
mod soup;

fn check(expand: fn(TokenStream) -> TokenStream, input: &str, expected: Expect) {
    let mut text = String::new();
    print(expand(input.parse().expect("tokens")), 0, &mut text);
    expected.assert_eq(&text);
}

/// Tokens with a line for each statement and indentation by braces; spaces only where words meet.
fn print(tokens: TokenStream, depth: usize, text: &mut String) {
    let line = |text: &mut String, depth: usize| {
        text.truncate(text.trim_end().len());
        text.push('\n');
        text.push_str(&"    ".repeat(depth));
    };
    for token in tokens {
        match token {
            TokenTree::Group(group)
                if group.delimiter() == Delimiter::Brace && !group.stream().is_empty() =>
            {
                text.push_str(" {");
                line(text, depth + 1);
                print(group.stream(), depth + 1, text);
                line(text, depth);
                text.push('}');
            }
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ('(', ')'),
                    Delimiter::Bracket => ('[', ']'),
                    Delimiter::Brace => ('{', '}'),
                    Delimiter::None => (' ', ' '),
                };
                text.push(open);
                let mut inside = String::new();
                print(group.stream(), depth, &mut inside);
                if group.delimiter() == Delimiter::Bracket && inside.matches(';').count() == 1 {
                    // The type of an array.
                    inside = inside.split_whitespace().collect::<Vec<_>>().join(" ");
                }
                text.push_str(&inside);
                text.push(close);
            }
            TokenTree::Punct(p) if p.as_char() == ';' => {
                text.push(';');
                line(text, depth);
            }
            TokenTree::Punct(p) => {
                text.push(p.as_char());
                if p.spacing() == Spacing::Alone && matches!(p.as_char(), ',' | '=' | '>' | '+') {
                    text.push(' ');
                }
            }
            word => {
                if text.ends_with(|c: char| c.is_alphanumeric() || ")]}\"".contains(c)) {
                    text.push(' ');
                }
                let _ = write!(text, "{word}");
            }
        }
    }
}

#[test]
fn a_constant() {
    check(
        crate::x64::expand,
        "xor eax, eax; add rax, {const SIZE: i8}; ret",
        expect![[r#"
            ::jit_asm::Template {
                name:"", bytes:const {
                    &::jit_asm::constant::patch(*b"1\xC0H\x83\xC0\0\xC3", 5, ::jit_asm::constant::field::<1> (::jit_asm::constant::integer(SIZE) as i128, true))
                }, holes:&[], lines:&[::jit_asm::Line {
                    at:0, text:"xor eax, eax"
                }, ::jit_asm::Line {
                    at:2, text:"add rax, {const SIZE: i8}"
                }, ::jit_asm::Line {
                    at:6, text:"ret"
                }], data:&[], align:1, effects:::jit_asm::Effects {
                    reads:::jit_asm::RegSet::from_bits(16u64), writes:::jit_asm::RegSet::from_bits(17u64), reads_flags:::jit_asm::Flags(0u8), writes_flags:::jit_asm::Flags(63u8), reads_memory:true, writes_memory:false, stack:::jit_asm::StackMove::By(8i32), highest:::jit_asm::StackMove::By(8i32), called_at:::core::option::Option::None, falls_through:false, calls:false, jumps:true, traps:false, ymm:false, features:::jit_asm::Features::from_bits(0u64),
                },
            }"#]],
    );
}

#[test]
fn an_emission() {
    check(
        crate::x64::expand,
        "@crate [$crate::jit_asm] self.asm => add {r: r64}, [rbp + {slot * 8}]; jo {overflow}",
        expect![[r#"
             {
                let hole0:$crate::jit_asm::Gpr= r;
                let hole1:::core::primitive::i32= slot*8;
                let hole2= overflow;
                 {
                    use$crate::jit_asm::Sink as _;
                    match(self.asm).as_sink() {
                        sink=>  {
                            let piece:&'static[u8; 13usize]= b"H\x03\x85\0\0\0\0\x0F\x80\0\0\0\0";
                            let template:&'static$crate::jit_asm::Template= const {
                                &$crate::jit_asm::Template {
                                    name:"", bytes:b"H\x03\x85\0\0\0\0\x0F\x80\0\0\0\0", holes:&[$crate::jit_asm::Hole {
                                        at:0, kind:$crate::jit_asm::HoleKind::Reg($crate::jit_asm::RegField {
                                            low_at:2u16, low_shift:3u8, high:::core::option::Option::Some($crate::jit_asm::HighBit {
                                                at:0u16, bit:2u8
                                            }), vector:false, reads:true, writes:true,
                                        }), name:"r"
                                    }, $crate::jit_asm::Hole {
                                        at:3, kind:$crate::jit_asm::HoleKind::Disp(4u8), name:"slot * 8"
                                    }, $crate::jit_asm::Hole {
                                        at:9, kind:$crate::jit_asm::HoleKind::Rel32 {
                                            tail:0u8, width:0u8
                                        }, name:"overflow"
                                    }], lines:&[$crate::jit_asm::Line {
                                        at:0, text:"add {r: r64}, [rbp + {slot * 8}]"
                                    }, $crate::jit_asm::Line {
                                        at:7, text:"jo {overflow}"
                                    }], data:&[], align:1, effects:$crate::jit_asm::Effects {
                                        reads:$crate::jit_asm::RegSet::from_bits(32u64), writes:$crate::jit_asm::RegSet::from_bits(0u64), reads_flags:$crate::jit_asm::Flags(0u8), writes_flags:$crate::jit_asm::Flags(63u8), reads_memory:true, writes_memory:false, stack:$crate::jit_asm::StackMove::By(0i32), highest:$crate::jit_asm::StackMove::By(0i32), called_at:::core::option::Option::None, falls_through:true, calls:false, jumps:true, traps:false, ymm:false, features:$crate::jit_asm::Features::from_bits(0u64),
                                    },
                                }
                            };
                            let hole2:[::core::primitive::u8; 4]= $crate::jit_asm::LinkSink::link_rel32(sink, $crate::jit_asm::Field {
                                ahead:9u32, tail:0u32, width:0u32
                            }, hole2);
                            let out:&mut[u8; 13]= $crate::jit_asm::Sink::put_template::<13> (sink, piece, template);
                            out[2]^= ($crate::jit_asm::Gpr::number(hole0)&7)<<3u8;
                            out[0]^= ($crate::jit_asm::Gpr::number(hole0)>> 3)<<2u8;
                            $crate::jit_asm::sink::fill4(out, 3, ::core::primitive::i32::to_le_bytes(hole1));
                            $crate::jit_asm::sink::fill4(out, 9, hole2);
                        }
                    }
                }
            }"#]],
    );
}

#[test]
fn a_named_template() {
    check(
        crate::templates::expand,
        "/// Doc.\n#[cold] pub(crate) fn exit(code: i32, to: Label) = x64!< mov eax, {code}; jmp {to} >;",
        expect![[r##"
            #[doc= " Doc."]#[cold]#[doc= "\n```text\n   0  b8 .. .. .. ..  mov eax, {code}\n   5  e9 .. .. .. ..  jmp {to}\n```"]#[inline]#[allow(clippy::too_many_arguments)] pub(crate) fn exit(sink:&mut(impl::jit_asm::LinkSink<Label> ), code:i32, to:Label) {
                let hole0:::core::primitive::i32= code;
                let hole1= to;
                let hole1:[::core::primitive::u8; 4]= ::jit_asm::LinkSink::link_rel32(sink, ::jit_asm::Field {
                    ahead:6u32, tail:0u32, width:0u32
                }, hole1);
                let out:&mut[u8; 10]= ::jit_asm::Sink::put_template::<10> (sink, exit::PIECE, &exit::TEMPLATE);
                ::jit_asm::sink::fill4(out, 1, ::core::primitive::i32::to_le_bytes(hole0));
                ::jit_asm::sink::fill4(out, 6, hole1);
            }#[doc= "The description of [`exit()`](exit())."]#[allow(non_camel_case_types, dead_code)] pub(crate) enum exit{}#[allow(dead_code)] impl exit {
                const PIECE:&'static[u8; 10usize]= b"\xB8\0\0\0\0\xE9\0\0\0\0";
                #[doc= r" Bytes, holes, text and effects."] pub const TEMPLATE:::jit_asm::Template= ::jit_asm::Template {
                    name:"exit", bytes:exit::PIECE, holes:&[::jit_asm::Hole {
                        at:1, kind:::jit_asm::HoleKind::Imm(4u8), name:"code"
                    }, ::jit_asm::Hole {
                        at:6, kind:::jit_asm::HoleKind::Rel32 {
                            tail:0u8, width:0u8
                        }, name:"to"
                    }], lines:&[::jit_asm::Line {
                        at:0, text:"mov eax, {code}"
                    }, ::jit_asm::Line {
                        at:5, text:"jmp {to}"
                    }], data:&[], align:1, effects:::jit_asm::Effects {
                        reads:::jit_asm::RegSet::from_bits(0u64), writes:::jit_asm::RegSet::from_bits(1u64), reads_flags:::jit_asm::Flags(0u8), writes_flags:::jit_asm::Flags(0u8), reads_memory:false, writes_memory:false, stack:::jit_asm::StackMove::By(0i32), highest:::jit_asm::StackMove::By(0i32), called_at:::core::option::Option::None, falls_through:false, calls:false, jumps:true, traps:false, ymm:false, features:::jit_asm::Features::from_bits(0u64),
                    },
                };
            }"##]],
    );
}

#[test]
fn no_tokens_make_it_panic() {
    let words = [
        "fn",
        "pub",
        "name",
        "(",
        ")",
        "(a: i32)",
        "(a: i32, l: Label)",
        "=",
        "x64",
        "!",
        "<",
        ">",
        ";",
        "nop",
        "jmp {l}",
        "add rax, {a}",
        "{",
        "}",
        "=>",
        "/// doc\n",
        "@crate [p]",
        "x64!< add rax, {a}; jmp {l} >;",
        ",",
        "let acc = rax;",
        "let",
        "self",
        "->",
    ];
    arbtest::arbtest(|u| {
        let mut text = String::new();
        for _ in 0..u.int_in_range(0..=20)? {
            text += u.choose(&words)?;
            text += " ";
        }
        if u.arbitrary()? {
            let template = soup::template(u)?;
            text = match u.int_in_range(0..=2)? {
                0 => template,
                1 => format!("sink => {template}"),
                _ => format!("{text} fn name(n: i32, r: Gpr, l: Label) = x64!< {template} >;"),
            };
        }
        if let Ok(tokens) = text.parse::<TokenStream>() {
            crate::x64::expand(tokens.clone());
            crate::templates::expand(tokens);
        }
        Ok(())
    })
    .budget_ms(1000);
}
