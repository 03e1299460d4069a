import sys, time, hashlib, io, os, numpy as np
from PIL import Image, ImageCms
from skimage import data
import warnings; warnings.simplefilter('ignore')
from colorization.images import open_photo, save_photo
d='/work/scratch/ph/eq'; os.makedirs(d,exist_ok=True)
im=Image.fromarray(data.astronaut()); 
if not os.path.exists(d+'/done'):
    for mode in 'L','RGB','CMYK','P','LA','RGBA','1','YCbCr','LAB':
        x = ImageCms.profileToProfile(im, ImageCms.createProfile('sRGB'), ImageCms.createProfile('LAB'), outputMode='LAB') if mode=='LAB' else im.convert(mode)
        for suf in 'jpg','png','tif','webp','bmp','gif','jp2':
            for comp in ([None,'tiff_lzw','jpeg','tiff_adobe_deflate','group4'] if suf=='tif' else [None]):
                p=f'{d}/{mode}_{comp}.{suf}'
                try: x.save(p, **({'compression':comp} if comp else {}))
                except Exception:
                    if os.path.exists(p): os.remove(p)
    import tifffile
    rng=np.random.default_rng(0); v=rng.integers(0,65536,(200,300,3),dtype=np.uint16)
    for o in '<>':
        for c in None,'lzw':
            tifffile.imwrite(f'{d}/rgb16{ord(o)}{c}.tif', v, photometric='rgb',byteorder=o,compression=c,metadata=None)
            tifffile.imwrite(f'{d}/g16{ord(o)}{c}.tif', v[...,0], photometric='minisblack',byteorder=o,compression=c,metadata=None)
    big=Image.fromarray(rng.integers(0,256,(300,400),dtype=np.uint8)).resize((4000,3000)); big.save(d+'/12.jpg',quality=90)
    open(d+'/done','w').close()
out={}
for f in sorted(os.listdir(d)):
    if f=='done': continue
    try:
        r,a,i=open_photo(d+'/'+f); h=hashlib.md5(r.tobytes()+(a.tobytes() if a else b'')+(i or b'')).hexdigest()
    except Exception as e: h='ERR '+str(e)[-60:]
    print(f,h)
ts=[]
for _ in range(5):
    t=time.perf_counter(); open_photo(d+'/12.jpg'); ts.append(time.perf_counter()-t)
print('time12', min(ts), file=sys.stderr)
