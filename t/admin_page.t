#!/usr/bin/perl

# The page of gate_admin, as it is sent: who gets it, what its header allows it,
# and that nothing is in it that this does not allow.  t/admin_browser.t looks
# at what it does.

use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/lib";

use Compress::Zlib ();
use Digest::SHA qw(sha256_base64);
use JSON::PP;
use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->certificate('admin', email => 'admin@example.jp');

$t->nginx($t->conf(http => <<'END', server => <<'END2'));
    gate_policy admin { user $gate_cert_email; }
END
        location /admin/ { gate admin; gate_admin write=on; }
        location /look/  { gate_admin; gzip on; }
END2

my $r = $t->get('/admin/', cert => 'admin');
my $html = $r->{body};
my %header = %{ $r->{headers} };

is($r->{status}, 200, 'the page');
is($header{'content-type'}, 'text/html; charset=utf-8', 'is HTML');
is($header{'cache-control'}, 'no-store', 'that nobody keeps');
is($header{'x-content-type-options'}, 'nosniff', 'and nobody guesses');
is($header{'referrer-policy'}, 'no-referrer', 'and that says nobody about it');
is($header{'content-length'}, length $html, 'it is whole');

# what its policy says is what it has

my %allows = map { /^(\S+) (.*)$/ ? ($1 => $2) : () }
             split /; /, $header{'content-security-policy'};

for my $tag (qw(style script)) {
    my @found = $html =~ m{<$tag>(.*?)</$tag>}sg;

    is(scalar @found, 1, "one $tag");
    is($allows{"$tag-src"}, "'sha256-" . sha256_base64($found[0]) . "='",
       'by its hash, and nothing else');
}

is($allows{$_}, "'none'", "$_: none")
    for qw(default-src base-uri form-action frame-ancestors trusted-types);
is($allows{'connect-src'}, "'self'", 'it talks to this server');
is($allows{'img-src'}, 'data:', 'its icon is its own');
is($allows{'require-trusted-types-for'}, "'script'", 'no text becomes HTML');

unlike($html, qr/<[^>]* (?:on\w+|style) *=/, 'no handlers and styles in tags');
unlike($html =~ s{http://www\.w3\.org/2000/svg}{}gr, qr{(?:https?:)?//\w},
       'nothing from elsewhere');
unlike($html, qr/\b(?:innerHTML|outerHTML|insertAdjacentHTML|eval|Function
                     |document\.write)\b/x, 'no text becomes HTML or script');

# both languages say all of it

my ($table) = $html =~ /^const WORDS = \{\n(.*?)^\};/ms;
my (%words, @odd);

for ($table =~ /^(\w+: \[.*?\]),$/msg) {
    my ($key, $english, $japanese)
        = /^(\w+): \[ '(.*?)',\s+'(.*?)' \]$/s or do { push @odd, $_; next };

    $words{$key} = 1;
    push @odd, "$key: what is put in"
        if join(' ', sort $english =~ /\{\w+\}/g)
           ne join(' ', sort $japanese =~ /\{\w+\}/g);
}

cmp_ok(scalar keys %words, '>', 200, 'words');
is(join("\n", @odd), '', 'each in English and in Japanese');
is(scalar(() = $table =~ /^\w+: /mg), scalar keys %words, 'and each once');

my ($script) = $html =~ m{<script>(.*?)</script>}s;
my @unknown = grep { !$words{$_} }
              $script =~ /\b(?:say|sayNodes|words)\('(\w+)'[,)]/g;

is("@unknown", '', 'all that is said is among them');

my %used = map { $_ => 1 } $script =~ /'(\w+)'/g;
my @unused = grep { !$used{$_} && !/^(?:r|unit)_/ && !made($_) } sort keys %words;

is("@unused", '', 'and all of them are said');

# who does not get it, and what it is not asked for

is($t->get('/admin/')->{status}, 403, 'the gate is in front of it');
is($t->get('/look/')->{body}, $html, 'it is the same for all');
is($t->as('2', 'x', '/look/', method => 'HEAD')->{body}, '', 'HEAD');

my $moved = $t->get('/admin', cert => 'admin');

is($moved->{status}, 301, 'without "/" it is sent on');
like($moved->{headers}{location}, qr{/admin/$}, 'to it');

for my $method (qw(POST DELETE PUT)) {
    my $r = $t->get('/admin/', cert => 'admin', method => $method);

    is($r->{status}, 405, "$method: not allowed");
    is($r->{headers}{allow}, 'GET, HEAD', "$method: what is");
}

my $zipped = $t->get('/look/', headers => { 'Accept-Encoding' => 'gzip' });

is($zipped->{headers}{'content-encoding'}, 'gzip', 'nginx may compress it');
is(Compress::Zlib::memGunzip($zipped->{body}), $html, 'to the same');

$t->done;

# of words whose keys are put together: one part and another

sub made {
    my ($key) = @_;

    return $key =~ /^(?:top|country|forget|stop|slow|crl|database|find|by)_\w+$/
           || $key =~ /^\w+_(?:30|caption|none)$/;
}
