package Test::Gate::Forged;

# Certificates and CRLs written byte by byte and signed by a test's CA, with
# names and more that no honest tool would put in.

use strict;
use warnings;

use MIME::Base64 qw(encode_base64);
use POSIX qw(strftime);

my %tags = (bits => 3, octets => 4, utf8 => 12, printable => 19, t61 => 20,
            ia5 => 22, general => 27, universal => 28, bmp => 30);

my %attributes = (cn => "\x06\x03\x55\x04\x03", o => "\x06\x03\x55\x04\x0a",
                  ou => "\x06\x03\x55\x04\x0b");
my $upn = "\x06\x0a\x2b\x06\x01\x04\x01\x82\x37\x14\x02\x03";
my $san = "\x06\x03\x55\x1d\x11";
my $ecdsa_sha256 = der(0x30, "\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02");

# cn => [ [ 'utf8', 'bytes' ], ... ] (one RDN each), o and ou likewise,
# emails => [ 'bytes' ], dns and uris likewise, upns => [ [ 'utf8', 'bytes' ] ],
# names => [ 'DER of other alternative names' ], before and after in epoch
# seconds, serial => 'bytes', extensions besides the alternative names as of a
# CRL below; the rest are the DER of the public key and the CA's name, and a
# function that signs

sub certificate {
    my (%o) = @_;

    my @names = (@{ $o{names} // [] },
                 (map { der(0x81, $_) } @{ $o{emails} // [] }),
                 (map { der(0x82, $_) } @{ $o{dns} // [] }),
                 (map { der(0x86, $_) } @{ $o{uris} // [] }),
                 (map { upn(@$_) } @{ $o{upns} // [] }));
    my $extensions = extensions([
        @names ? [ $san, 0, der(0x30, @names) ] : (),
        @{ $o{extensions} // [] } ]);
    my $now = time;

    my $tbs = der(0x30,
                  der(0xa0, der(0x02, "\x02")),
                  der(0x02, $o{serial} // "\x01"),
                  $ecdsa_sha256,
                  name([ cn => 'utf8', $o{ca} ]),
                  der(0x30, date($o{before} // $now - 86400),
                            date($o{after} // $now + 86400)),
                  name(map { my $a = $_; map { [ $a, @$_ ] } @{ $o{$a} // [] }
                       } qw(o ou cn)),
                  $o{key},
                  $extensions ? der(0xa3, $extensions) : ());

    return pem(der(0x30, $tbs, $ecdsa_sha256,
                   der(0x03, "\0", $o{sign}->($tbs))));
}

# ca, serials => [ 'bytes', ... ], before and after (undef: not said) in epoch
# seconds, extensions and those of each entry => [ [ 'OID, DER', critical,
# 'bytes' ], ... ]; the rest is a function that signs

sub crl {
    my (%o) = @_;

    my $now = time;
    my $revoked = date($now - 60);
    my $entry = extensions($o{entry});

    my @entries = map {
        der(0x30, der(0x02, ord $_ > 127 ? "\0$_" : $_), $revoked, $entry)
    } @{ $o{serials} // [] };
    my $extensions = extensions($o{extensions});

    my $tbs = der(0x30,
                  der(0x02, "\1"),
                  $ecdsa_sha256,
                  name([ cn => 'utf8', $o{ca} ]),
                  date($o{before} // $now - 60),
                  exists $o{after} && !defined $o{after}
                      ? () : date($o{after} // $now + 86400),
                  @entries ? der(0x30, @entries) : (),
                  $extensions ? der(0xa0, $extensions) : ());

    return der(0x30, $tbs, $ecdsa_sha256,
               der(0x03, "\0", $o{sign}->($tbs)));
}

sub extensions {
    my ($list) = @_;

    return '' unless $list && @$list;

    return der(0x30, map {
        my ($oid, $critical, $bytes) = @$_;
        der(0x30, $oid, $critical ? "\1\1\xff" : (), der(0x04, $bytes))
    } @$list);
}

sub der {
    my ($tag, @content) = @_;

    my $content = join '', @content;
    my $n = length $content;

    return pack('C', $tag)
           . ($n < 128 ? pack('C', $n) : $n < 256 ? pack('CC', 0x81, $n)
              : $n < 65536 ? pack('Cn', 0x82, $n)
              : $n < 1 << 24 ? pack('CCn', 0x83, $n >> 16, $n & 65535)
                             : pack('CN', 0x84, $n))
           . $content;
}

sub name {
    my (@rdns) = @_;

    return der(0x30, map {
        my ($attribute, $type, $bytes) = @$_;
        der(0x31, der(0x30, $attributes{$attribute},
                      der($tags{$type}, $bytes)))
    } @rdns);
}

sub upn {
    my ($type, $bytes) = @_;

    return der(0xa0, $upn, der(0xa0, der($tags{$type}, $bytes)));
}

sub date {
    my ($time) = @_;

    return der(0x17, strftime('%y%m%d%H%M%SZ', gmtime $time));
}

sub pem {
    my ($der, $what) = @_;

    $what //= 'CERTIFICATE';

    return "-----BEGIN $what-----\n" . encode_base64($der)
           . "-----END $what-----\n";
}

1;
